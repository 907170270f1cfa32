// waferctl model inspect, tokenize and export-hf as they are typed.
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/random_model.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/client/cli/waferctl_process.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

struct ModelFile {
  explicit ModelFile(const test::GgufWriter& writer) { writer.WriteFile(path); }
  const test::TemporaryFolder folder;
  const std::string path = folder.File("model.gguf");
};

TEST_CASE("inspect says what a file holds") {
  test::RandomModelSpec spec;
  spec.architecture = "qwen2";
  spec.dtype = kernels::DType::kQ8_0;
  spec.vocabulary = test::VocabularyKind::kBytePairs;
  spec.chat_template = "{{ messages[0].content }}";
  const ModelFile file(test::RandomModel(spec));
  const Finished run = Waferctl({"model", "inspect", file.path, "--json"});
  REQUIRE(run.code == 0);
  const json::object all = json::parse(run.out).as_object();
  REQUIRE(all.at("shape").at("architecture") == "qwen2");
  REQUIRE(all.at("shape").at("rotary").at(0).at("kind") == "neox");
  REQUIRE(all.at("chat").at("template") == "the model file's own");
  REQUIRE(all.at("weights").at("runnable") == true);
  REQUIRE(all.at("dtypes").as_object().contains("Q8_0"));
  REQUIRE(all.at("metadata").at("general.architecture") == "qwen2");
  REQUIRE(all.at("metadata").at("tokenizer.ggml.merges").at("array_of") == "string");
  REQUIRE(all.at("tensors").as_array().size() == 27);
  REQUIRE(Waferctl({"model", "inspect", file.path}).out.find("architecture: qwen2") !=
          std::string::npos);
}

TEST_CASE("inspect says which experts and which latent a file has") {
  test::RandomModelSpec spec;
  spec.architecture = "deepseek2";
  spec.layers = 3;
  spec.dense_layers = 1;
  const ModelFile file(test::RandomModel(spec));
  const Finished run = Waferctl({"model", "inspect", file.path, "--json"});
  REQUIRE(run.code == 0);
  const json::value shape = json::parse(run.out).at("shape");
  REQUIRE(shape.at("experts").at("count") == 8);
  REQUIRE(shape.at("experts").at("used") == 2);
  REQUIRE(shape.at("experts").at("layers") == 2);
  REQUIRE(shape.at("experts").at("scores") == "sigmoid");
  REQUIRE(shape.at("latent").at("kv_rank") == 64);
}

TEST_CASE("inspect lists a file that cannot be served, and says why it cannot") {
  test::GgufWriter writer;
  writer.SetString("general.architecture", "mamba").SetString("general.name", "\xff");
  writer.AddTensor("odd", 16, {256}, std::string(66, 0));
  const ModelFile file(writer);
  const Finished run = Waferctl({"model", "inspect", file.path, "--json"});
  REQUIRE(run.code == 0);
  const json::object all = json::parse(run.out).as_object();
  REQUIRE(json::value_to<std::string>(all.at("shape").at("problem")).find("mamba") !=
          std::string::npos);
  REQUIRE(all.at("tokenizer").as_object().contains("problem"));
  REQUIRE(all.at("chat").as_object().contains("problem"));
  REQUIRE(all.at("weights").as_object().contains("problem"));
  REQUIRE(all.at("tensors").at(0).at("dtype") == "IQ2_XXS");
}

TEST_CASE("tokenize gives ids, pieces and bytes") {
  const ModelFile file(test::RandomModel({}));
  const Finished run =
      Waferctl({"model", "tokenize", file.path, "--text", "the \xc3\xa9", "--json"});
  REQUIRE(run.code == 0);
  const json::object all = json::parse(run.out).as_object();
  REQUIRE(json::serialize(all.at("pieces")) ==
          "[\"<s>\",\"\xe2\x96\x81the\",\"\xe2\x96\x81\",\"<0xC3>\",\"<0xA9>\"]");
  REQUIRE(json::serialize(all.at("bytes")) == "[[60,115,62],[32,116,104,101],[32],[195],[169]]");
  REQUIRE(all.at("count") == 5);
  REQUIRE(Waferctl({"model", "tokenize", file.path}).code == 2);
  REQUIRE(Waferctl({"model", "tokenize", file.path, "--text", "x", "--lines"}).code == 2);
  REQUIRE(Waferctl({"model", "tokenize", "/nowhere.gguf", "--text", "x"}).code == 1);
}

std::string Export(const test::GgufWriter& writer, int code) {
  const ModelFile file(writer);
  const std::string folder = file.path + ".exported";
  const Finished run = Waferctl({"model", "export-hf", file.path, folder});
  CHECK(run.code == code);
  if (code == 0) {
    const Finished again = Waferctl({"model", "export-hf", file.path, folder});
    CHECK(again.code == 1);
    CHECK(again.err.find("--force") != std::string::npos);
    CHECK(Waferctl({"model", "export-hf", file.path, folder, "--force"}).code == 0);
  } else {
    CHECK_FALSE(std::filesystem::exists(folder));
  }
  std::filesystem::remove_all(folder);
  return run.err;
}

TEST_CASE("export-hf overwrites nothing unasked, and refuses by name what it cannot write") {
  const auto vocabulary = [](auto kind) {
    test::GgufWriter writer;
    writer.SetString("general.architecture", "llama");
    test::SetVocabulary(writer, kind, "llama");
    return writer;
  };
  CHECK(Export(vocabulary(test::VocabularyKind::kSentencePiece), 0).empty());
  CHECK(Export(vocabulary(test::VocabularyKind::kBytePairs), 0).empty());
  auto wrong = vocabulary(test::VocabularyKind::kSentencePiece);
  wrong.SetString("general.architecture", "mamba");
  CHECK(Export(wrong, 1).find("mamba") != std::string::npos);
  wrong = vocabulary(test::VocabularyKind::kSentencePiece);
  wrong.SetString("tokenizer.ggml.model", "rwkv");
  CHECK(Export(wrong, 1).find("rwkv") != std::string::npos);
  wrong = vocabulary(test::VocabularyKind::kBytePairs);
  wrong.SetString("tokenizer.ggml.pre", "unheard-of");
  CHECK(Export(wrong, 1).find("unheard-of") != std::string::npos);
}

TEST_CASE("export-hf writes a unigram vocabulary as pieces with scores") {
  test::GgufWriter writer;
  writer.SetString("general.architecture", "llama");
  test::SetVocabulary(writer, test::VocabularyKind::kSentencePiece, "llama");
  writer.SetString("tokenizer.ggml.model", "t5");
  const ModelFile file(writer);
  const std::string folder = file.path + ".unigram";
  REQUIRE(Waferctl({"model", "export-hf", file.path, folder}).code == 0);
  std::ifstream in(folder + "/tokenizer.json");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const json::value all = json::parse(text);
  std::filesystem::remove_all(folder);
  const json::object& model = all.at("model").as_object();
  CHECK(model.at("type") == "Unigram");
  CHECK(model.at("byte_fallback") == true);
  CHECK(model.at("unk_id") == 0);
  const json::array& vocab = model.at("vocab").as_array();
  REQUIRE(std::ssize(vocab) == test::VocabularySize(test::VocabularyKind::kSentencePiece, "llama"));
  CHECK(vocab.at(0).at(0) == "<unk>");
  double worst = 0;
  for (const json::value& piece : vocab) {
    worst = std::min(worst, json::value_to<double>(piece.at(1)));
  }
  for (const json::value& piece : vocab) {
    const bool byte = json::value_to<std::string>(piece.at(0)).starts_with("<0x");
    if (byte) CHECK(json::value_to<double>(piece.at(1)) == worst);
  }
  // No text becomes a byte by its name.
  const json::array& steps = all.at("pre_tokenizer").at("pretokenizers").as_array();
  CHECK(steps.back().at("pattern").at("Regex") == "<(?=0x[0-9A-F]{2}>)");
  CHECK(all.at("normalizer").at("normalizers").at(0).at("content") == "\xe2\x96\x81");
}

}  // namespace
}  // namespace waferline::cli
