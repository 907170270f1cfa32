#include "wafer_backend/compute/model/checkpoint.h"

#include <stdlib.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/random_model.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {
namespace {

namespace json = boost::json;
using kernels::DType;
using test::CheckpointWriter;

class Folder {
 public:
  Folder() {
    path_ = (std::filesystem::temp_directory_path() / "waferline-folder-XXXXXX").string();
    REQUIRE(mkdtemp(path_.data()) != nullptr);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string File(const char* name) const { return path_ + "/" + name; }
  std::string Error() const { return std::string(GgufFile::Open(path_).status().message()); }

 private:
  std::string path_;
};

test::RandomModelSpec SpecOf(const std::string& architecture) {
  return {.architecture = architecture,
          .dtype = DType::kBF16,
          .vocabulary = test::VocabularyKind::kBytePairs};
}

std::shared_ptr<const GgufFile> RandomFile(const test::RandomModelSpec& spec) {
  return *GgufFile::FromBytes(test::RandomModelBytes(spec));
}

// Of a llama, one thing made wrong.
std::string FolderErrorOf(const std::function<void(CheckpointWriter&)>& spoil) {
  const Folder folder;
  CheckpointWriter writer(*RandomFile(SpecOf("llama")));
  spoil(writer);
  writer.Write(folder.path());
  const std::string error = folder.Error();
  INFO(error);
  CHECK(error.find(folder.path()) == 0);  // names the file
  return error;
}

bool Holds(const std::string& text, const std::string& part) {
  UNSCOPED_INFO(text << " / wanted: " << part);
  return text.find(part) != std::string::npos;
}

TEST_CASE("a folder of safetensors is the GGUF file of the same model, byte for byte") {
  auto spec = SpecOf(GENERATE("llama", "qwen2", "qwen3"));
  spec.dtype = GENERATE(DType::kBF16, DType::kF16, DType::kF32);
  spec.tied_embeddings = GENERATE(false, true);
  const int files = GENERATE(1, 3);
  CAPTURE(spec.architecture, spec.tied_embeddings, files);
  const auto gguf = RandomFile(spec);
  const Folder folder;
  CheckpointWriter(*gguf).Write(folder.path(), files);
  const auto opened = GgufFile::Open(folder.path());
  INFO(opened.status());
  REQUIRE(opened.ok());
  const GgufFile& read = **opened;
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
  CHECK(BindWeights(*opened).ok());

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
  const auto file = GgufFile::Open(folder.path());
  INFO(file.status());
  REQUIRE(file.ok());
  const auto weights = BindWeights(*file);
  INFO(weights.status());
  REQUIRE(weights.ok());
  const auto values_of = [&](const char* name) {
    const auto bytes = (*file)->FindTensor(name)->bytes;
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

test::RandomModelSpec Llama2() {
  return {.dtype = DType::kBF16, .vocabulary = test::VocabularyKind::kSentencePiece};
}

TEST_CASE("a SentencePiece tokenizer.json cuts texts as the GGUF file of the same model does") {
  const Folder folder;
  const bool prefix = GENERATE(true, false);
  test::GgufWriter as_gguf = test::RandomModel(Llama2());
  as_gguf.SetBool("tokenizer.ggml.add_space_prefix", prefix);
  const auto gguf = *GgufFile::FromBytes(as_gguf.Bytes());
  CheckpointWriter writer(*gguf);
  if (!prefix) {  // as Gemma's
    writer.tokenizer["normalizer"].as_object()["normalizers"].as_array().erase(
        writer.tokenizer["normalizer"].as_object()["normalizers"].as_array().begin());
    writer.tokenizer["pre_tokenizer"] = json::object{{"type", "Split"},
                                                     {"pattern", json::object{{"String", " "}}},
                                                     {"behavior", "MergedWithPrevious"},
                                                     {"invert", false}};
  }
  writer.Write(folder.path());
  const auto read = GgufFile::Open(folder.path());
  INFO(read.status());
  REQUIRE(read.ok());
  const auto ours = TokenizerFromGguf(**read);
  INFO(ours.status());
  REQUIRE(ours.ok());
  const auto theirs = TokenizerFromGguf(*gguf);
  for (const char* text :
       {"the river and the stone", "", " ", "   over  under ", "thethethe wwwafer whenis",
        "\xc3\xa9t\xc3\xa9 \xe4\xb8\xad <s> </s> <unk>", "line\nline\t<0x0A>", "\xff\xfe bird"}) {
    CAPTURE(text);
    CHECK((*ours)->Encode(text) == (*theirs)->Encode(text));
  }
}

// Runs of spaces are tokens that are found as they are; the file has merges to them all the same.
TEST_CASE("Gemma's tokens of several spaces, as its tokenizer.json has them") {
  const Folder folder;
  test::GgufWriter as_gguf = test::RandomModel(Llama2());
  const auto plain = *GgufFile::FromBytes(as_gguf.Bytes());
  std::vector<std::string> tokens;
  const auto names = *plain->metadata().Strings("tokenizer.ggml.tokens");
  for (const std::string_view token : names) tokens.emplace_back(token);
  const auto of_types = *plain->metadata().Ints("tokenizer.ggml.token_type");
  std::vector<int32_t> types(of_types.begin(), of_types.end());
  const auto two =
      static_cast<size_t>(std::find(tokens.begin(), tokens.end(), "<|im_start|>") - tokens.begin());
  REQUIRE(two + 1 < tokens.size());
  tokens[two] = "  ";
  tokens[two + 1] = "   ";
  types[two] = types[two + 1] = 4;
  as_gguf.SetStrings("tokenizer.ggml.tokens", tokens).SetInts("tokenizer.ggml.token_type", types);
  as_gguf.SetBool("tokenizer.ggml.add_space_prefix", false);
  const auto gguf = *GgufFile::FromBytes(as_gguf.Bytes());
  CheckpointWriter writer(*gguf);
  const std::string mark = "\xe2\x96\x81";
  json::object& model = writer.tokenizer["model"].as_object();
  json::array& merges = model["merges"].as_array();
  merges.insert(merges.begin(), json::string(mark + " " + mark));
  merges.insert(merges.begin(), json::string(mark + mark + " " + mark));
  json::object& vocab = model["vocab"].as_object();
  for (size_t id : {two, two + 1}) {
    vocab.erase(tokens[id]);
    const std::string name = id == two ? mark + mark : mark + mark + mark;
    vocab[name] = id;
    writer.tokenizer["added_tokens"].as_array().push_back(
        {{"id", id}, {"content", name}, {"special", false}, {"normalized", false}});
  }
  writer.tokenizer["normalizer"] = json::object{
      {"type", "Replace"}, {"pattern", json::object{{"String", " "}}}, {"content", mark}};
  writer.Write(folder.path());
  const auto read = GgufFile::Open(folder.path());
  INFO(read.status());
  REQUIRE(read.ok());
  const auto ours = *TokenizerFromGguf(**read), theirs = *TokenizerFromGguf(*gguf);
  for (const char* text : {"the river", "  the  river", "a   b", "     x      ", " the"}) {
    CAPTURE(text);
    CHECK(ours->Encode(text) == theirs->Encode(text));
  }
  const auto spaces = ours->Encode("the   river");
  CHECK(std::count(spaces.begin(), spaces.end(), static_cast<TokenId>(two + 1)) == 1);
}

TEST_CASE("a SentencePiece tokenizer.json that would be cut differently here is refused") {
  const auto error = [](const std::function<void(json::object&)>& spoil) {
    const Folder folder;
    CheckpointWriter writer(*RandomFile(Llama2()));
    spoil(writer.tokenizer);
    writer.Write(folder.path());
    return folder.Error();
  };
  const auto merges_of = [](json::object& t) -> json::array& {
    return t["model"].as_object()["merges"].as_array();
  };
  CHECK(Holds(error([&](auto& t) { merges_of(t).pop_back(); }), "which SentencePiece does"));
  CHECK(Holds(error([&](auto& t) { merges_of(t).push_back(merges_of(t).front()); }),
              "not the order of SentencePiece's scores"));
  CHECK(Holds(error([&](auto& t) { merges_of(t).push_back("zz zz"); }),
              "makes \"zzzz\", which is no piece"));
  CHECK(Holds(
      error([&](auto& t) {
        const std::string merge(merges_of(t).front().as_string());
        const std::string left = merge.substr(0, merge.find(' '));
        const json::value id = t["model"].as_object()["vocab"].as_object()[left];
        t["added_tokens"].as_array().push_back({{"id", id}, {"content", left}, {"special", false}});
      }),
      "a token of added_tokens is never joined here"));
  CHECK(Holds(error([](auto& t) {
                t["normalizer"] = json::object{{"type", "NFKC"}};
              }),
              "normalizer.type is \"NFKC\"; with byte_fallback only"));
  CHECK(Holds(error([](auto& t) {
                t["normalizer"] = nullptr;
                t["pre_tokenizer"] = json::object{{"type", "Metaspace"},
                                                  {"replacement", "\xe2\x96\x81"},
                                                  {"prepend_scheme", "first"},
                                                  {"split", false}};
              }),
              "pre_tokenizer.type is \"Metaspace\""));
}

TEST_CASE("Gemma 3's config.json: layers of two kinds, and what is refused") {
  test::RandomModelSpec spec = SpecOf("gemma3");
  spec.layers = 7;
  spec.window = 5;
  const auto error_with = [&](const std::function<void(json::object&)>& change) {
    const Folder folder;
    CheckpointWriter writer(*RandomFile(spec));
    change(writer.config);
    writer.Write(folder.path());
    const auto file = GgufFile::Open(folder.path());
    if (!file.ok()) return std::string(file.status().message());
    const auto shape = ReadShape(**file);
    INFO(shape.status());
    REQUIRE(shape.ok());
    for (int64_t i = 0; i < 7; ++i) {
      CHECK(shape->plan[i].window == (i == 5 ? 0 : 5));
      CHECK(shape->plan[i].rotary == (i == 5 ? 0 : 1));
    }
    CHECK(shape->rotaries[0].base == 10000);
    CHECK(shape->rotaries[1].base == 20000);
    return std::string();
  };
  const auto types = [](json::object& config, size_t layer, const char* kind) {
    config.erase("sliding_window_pattern");
    json::array list(7, "sliding_attention");
    list[5] = "full_attention";
    list[layer] = kind;
    config["layer_types"] = list;
  };
  CHECK(error_with([](auto& c) { c["rope_local_base_freq"] = 20000; }).empty());
  CHECK(error_with([&](auto& c) {  // as newer files say it
          types(c, 5, "full_attention");
          c.erase("rope_local_base_freq");
          c.erase("rope_theta");
          c["rope_parameters"] = {
              {"full_attention", json::object{{"rope_type", "default"}, {"rope_theta", 10000}}},
              {"sliding_attention", json::object{{"rope_type", "default"}, {"rope_theta", 20000}}}};
        })
            .empty());
  CHECK(Holds(error_with([&](auto& c) { types(c, 6, "full_attention"); }), "layer_types[6]"));
  CHECK(Holds(error_with([&](auto& c) { types(c, 0, "linear_attention"); }), "layer_types[0]"));
  CHECK(Holds(error_with([](auto& c) { c["query_pre_attn_scalar"] = 7; }),
              "query_pre_attn_scalar is 7, expected 16"));
  CHECK(Holds(error_with([](auto& c) { c.erase("sliding_window"); }), "'sliding_window'"));
  CHECK(Holds(error_with([](auto& c) { c["use_bidirectional_attention"] = true; }),
              "use_bidirectional_attention"));
  CHECK(Holds(error_with([](auto& c) { c["hidden_activation"] = "silu"; }),
              "hidden_activation is \"silu\", expected gelu_pytorch_tanh"));
}

TEST_CASE("what config.json, tokenizer.json and the weights must not say") {
  const auto config = [](const char* field, json::value value) {
    return FolderErrorOf([&](CheckpointWriter& w) { w.config[field] = value; });
  };
  CHECK(Holds(config("model_type", "gemma2"), "llama, qwen2, qwen3 and gemma3_text"));
  CHECK(Holds(config("hidden_act", "gelu"), "hidden_act is \"gelu\", expected silu"));
  CHECK(Holds(config("num_hidden_layers", 0), "'num_hidden_layers' must be an integer between 1"));
  CHECK(Holds(config("num_hidden_layers", nullptr), "'num_hidden_layers' is missing"));
  CHECK(Holds(config("use_sliding_window", true), "use_sliding_window"));
  CHECK(Holds(config("quantization_config", json::object{}), "quantization_config"));
  CHECK(Holds(config("rope_scaling", json::object{{"type", "dynamic"}, {"factor", 2}}),
              "\"dynamic\""));
  CHECK(Holds(config("vocab_size", 7), "vocab_size is 7, but model.embed_tokens.weight has"));
  CHECK(Holds(config("num_attention_heads", 3), "not 3 heads of an even size"));

  const auto tokenizer = [](const std::function<void(json::object&)>& spoil) {
    return FolderErrorOf([&](CheckpointWriter& w) { spoil(w.tokenizer); });
  };
  CHECK(
      Holds(tokenizer([](auto& t) { t["model"].as_object()["type"] = "Unigram"; }), "\"Unigram\""));
  CHECK(Holds(tokenizer([](auto& t) { t["model"].as_object()["byte_fallback"] = true; }),
              "byte_fallback"));
  CHECK(Holds(tokenizer([](auto& t) { t["model"].as_object()["vocab"].as_object()["x!"] = 99999; }),
              "the id 99999 of \"x!\" is out of range"));
  CHECK(Holds(tokenizer([](auto& t) { t["model"].as_object()["vocab"].as_object()["x!"] = 3; }),
              "is of"));
  CHECK(Holds(tokenizer([](auto& t) { t["model"].as_object()["merges"] = json::array{1}; }),
              "model.merges[0]"));
  CHECK(Holds(tokenizer([](auto& t) {
                t["normalizer"] = json::object{{"type", "NFKC"}};
              }),
              "\"NFKC\""));
  CHECK(Holds(tokenizer([](auto& t) {
                t["pre_tokenizer"] = json::object{{"type", "Metaspace"}};
              }),
              "\"Metaspace\""));
  CHECK(
      Holds(tokenizer([](auto& t) {
              t["pre_tokenizer"].as_object()["pretokenizers"].as_array()[0].as_object()["pattern"] =
                  json::object{{"Regex", "(a+)+$"}};
            }),
            "no known model cuts texts so: \"(a+)+$\""));
  CHECK(Holds(FolderErrorOf([](auto& w) { w.tokenizer_config["eos_token"] = "<none>"; }),
              "\"<none>\", which is no token"));

  CHECK(Holds(
      FolderErrorOf([](auto& w) { w.tensors[3].name = "model.layers.0.self_attn.rel.weight"; }),
      "is not part of a llama model"));
  CHECK(Holds(FolderErrorOf([](auto& w) { w.tensors[3].dtype = "I32"; }),
              "F32, F16 and BF16 can be read"));
  CHECK(Holds(FolderErrorOf([](auto& w) {
                std::erase_if(w.tensors, [](auto& t) { return t.name == "lm_head.weight"; });
              }),
              "\"lm_head.weight\" is missing"));
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
