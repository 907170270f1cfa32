// Checkpoints in folders of safetensors, against the GGUF files of the same models.
#include "wafer_backend/compute/model/checkpoint.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "tests/unit/wafer_backend/compute/model/checkpoint_folder.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {
namespace {

TEST_CASE("a folder of safetensors is the GGUF file of the same model, byte for byte") {
  auto spec = SpecOf(GENERATE("llama", "qwen2", "qwen3"));
  spec.dtype = GENERATE(DType::kBF16, DType::kF16, DType::kF32);
  spec.tied_embeddings = GENERATE(false, true);
  const int files = GENERATE(1, 3);
  CAPTURE(spec.architecture, spec.tied_embeddings, files);
  const auto gguf = RandomFile(spec);
  const Folder folder;
  CheckpointWriter(*gguf).Write(folder.path(), files);
  const auto opened = folder.Read();
  const GgufFile& read = *opened;
  CHECK(read.format() == (files == 1 ? "safetensors" : "safetensors in 3 files"));

  REQUIRE(read.tensors().size() == gguf->tensors().size());
  for (const GgufTensor& tensor : gguf->tensors()) {
    const GgufTensor* same = read.FindTensor(tensor.name);
    CAPTURE(tensor.name);
    REQUIRE(same != nullptr);
    CHECK(same->dtype == tensor.dtype);
    CHECK(same->dims == tensor.dims);
    CHECK(std::equal(tensor.bytes.begin(), tensor.bytes.end(), same->bytes.begin(),
                     same->bytes.end()));
  }
  for (const char* key :
       {"block_count", "context_length", "embedding_length", "feed_forward_length",
        "attention.head_count", "attention.head_count_kv", "attention.key_length",
        "attention.layer_norm_rms_epsilon", "rope.freq_base"}) {
    CAPTURE(key);
    const std::string full = spec.architecture + "." + key;
    REQUIRE(read.metadata().Get(full) != nullptr);
    CHECK(*read.metadata().Get(full) == *gguf->metadata().Get(full));
  }
  CHECK(BindWeights(opened).ok());

  const auto ours = TokenizerFromGguf(read);
  INFO(ours.status());
  REQUIRE(ours.ok());
  const auto theirs = *TokenizerFromGguf(*gguf);
  const std::string text = "the wafer is small, 1234 over e\xcc\x81 stones <|im_end|>\r\n\n it's";
  for (const bool special : {false, true}) {
    CHECK((*ours)->Encode(text, {.add_special = special, .parse_special = special}) ==
          theirs->Encode(text, {.add_special = special, .parse_special = special}));
  }
  CHECK((*ours)->bos() == theirs->bos());
  CHECK((*ours)->end_ids() == theirs->end_ids());
}

TEST_CASE("norms and biases of 16 bits become F32, and Llama 3.1's scaling becomes factors") {
  const auto gguf = RandomFile(SpecOf("llama"));
  CheckpointWriter writer(*gguf);
  for (test::CheckpointTensor& tensor : writer.tensors) {
    if (tensor.name != "model.norm.weight") continue;
    tensor.dtype = "BF16";  // 1.0 and -2.0
    tensor.bytes.clear();
    for (int i = 0; i < 64; ++i) tensor.bytes += i % 2 == 0 ? "\x80\x3f" : std::string("\0\xc0", 2);
  }
  writer.config["rope_theta"] = 500000;
  writer.config["rope_scaling"] = json::object{{"rope_type", "llama3"},
                                               {"factor", 8.0},
                                               {"low_freq_factor", 1.0},
                                               {"high_freq_factor", 4.0},
                                               {"original_max_position_embeddings", 8192}};
  const Folder folder;
  writer.Write(folder.path());
  const auto file = folder.Read();
  const auto weights = BindWeights(file);
  INFO(weights.status());
  REQUIRE(weights.ok());
  const auto values_of = [&](const char* name) {
    const auto bytes = file->FindTensor(name)->bytes;
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  };
  CHECK(values_of("output_norm.weight")[0] == 1.0f);
  CHECK(values_of("output_norm.weight")[1] == -2.0f);
  // head_dim 16: waves of 2 pi 500000^(i/8), i = 0 .. 7; short ones stay, long ones are stretched.
  const std::vector<float> factors = values_of("rope_freqs.weight");
  REQUIRE(factors.size() == 8);
  CHECK((factors[0] == 1 && factors[3] == 1));
  CHECK(factors[4] == Approx(2.6945).epsilon(1e-4));  // between 2048 and 8192: 4443
  CHECK((factors[5] == 8 && factors[7] == 8));
}

TEST_CASE("files of the folder that are missing, or named by an index that lies") {
  const Folder folder;
  const CheckpointWriter writer(*RandomFile(SpecOf("qwen2")));
  CHECK(Holds(folder.Error(), "config.json"));
  writer.Write(folder.path(), 2);
  REQUIRE(GgufFile::Open(folder.path()).ok());
  std::filesystem::remove(folder.File("part-1.safetensors"));
  CHECK(Holds(folder.Error(), "part-1.safetensors"));
  writer.Write(folder.path(), 2);
  std::filesystem::remove(folder.File("tokenizer.json"));
  CHECK(Holds(folder.Error(), "tokenizer.json"));
  writer.Write(folder.path(), 2);
  const auto index = [&](const std::string& text) {
    REQUIRE(WriteFile(folder.File("model.safetensors.index.json"), text).ok());
    return folder.Error();
  };
  CHECK(Holds(index("{}"), "'weight_map' is missing"));
  CHECK(Holds(index("[]"), "expected an object"));
  CHECK(Holds(index(R"({"weight_map": {"a": "../x"}})"), "is not in a file of this folder"));
  CHECK(Holds(index(R"({"weight_map": {"a": "part-0.safetensors"}})"),
              "is not listed as part of this file"));
}

TEST_CASE("a chat template comes from its own file, the configuration, or a list") {
  const Folder folder;
  CheckpointWriter writer(*RandomFile(SpecOf("qwen2")));
  const auto chosen = [&] {
    writer.Write(folder.path());
    return std::string(
        *(*GgufFile::Open(folder.path()))->metadata().StringOr("tokenizer.chat_template", ""));
  };
  CHECK(chosen().empty());
  writer.tokenizer_config["chat_template"] = "one";
  CHECK(chosen() == "one");
  writer.tokenizer_config["chat_template"] =
      json::array{json::object{{"name", "rag"}, {"template", "two"}},
                  json::object{{"name", "default"}, {"template", "three"}}};
  CHECK(chosen() == "three");
  REQUIRE(WriteFile(folder.File("chat_template.jinja"), "four").ok());
  CHECK(chosen() == "four");
}

}  // namespace
}  // namespace waferline::model
