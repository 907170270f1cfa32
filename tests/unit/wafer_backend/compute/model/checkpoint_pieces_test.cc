// SentencePiece in a tokenizer.json: cut as in the GGUF file of the same model, or refused.
#include <algorithm>
#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <vector>

#include "tests/unit/wafer_backend/compute/model/checkpoint_folder.h"
#include "wafer_backend/compute/model/checkpoint.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {
namespace {

test::RandomModelSpec Llama2() {
  return {.dtype = DType::kBF16, .vocabulary = test::VocabularyKind::kSentencePiece};
}

// What tokenizer.json gives cuts the texts as the GGUF file does.
std::shared_ptr<const Tokenizer> CheckSameTokens(const CheckpointWriter& writer,
                                                 const GgufFile& gguf,
                                                 const std::vector<const char*>& texts) {
  const Folder folder;
  writer.Write(folder.path());
  const auto ours = TokenizerFromGguf(*folder.Read());
  INFO(ours.status());
  REQUIRE(ours.ok());
  const auto theirs = TokenizerFromGguf(gguf);
  for (const char* text : texts) {
    CAPTURE(text);
    CHECK((*ours)->Encode(text) == (*theirs)->Encode(text));
  }
  return *ours;
}

TEST_CASE("a SentencePiece tokenizer.json cuts texts as the GGUF file of the same model does") {
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
  CheckSameTokens(
      writer, *gguf,
      {"the river and the stone", "", " ", "   over  under ", "thethethe wwwafer whenis",
       "\xc3\xa9t\xc3\xa9 \xe4\xb8\xad <s> </s> <unk>", "line\nline\t<0x0A>", "\xff\xfe bird"});
}

// Runs of spaces are tokens that are found as they are; the file has merges to them all the same.
TEST_CASE("Gemma's tokens of several spaces, as its tokenizer.json has them") {
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
  const auto ours = CheckSameTokens(writer, *gguf,
                                    {"the river", "  the  river", "a   b", "     x      ", " the"});
  const auto spaces = ours->Encode("the   river");
  CHECK(std::count(spaces.begin(), spaces.end(), static_cast<TokenId>(two + 1)) == 1);
}

TEST_CASE("a SentencePiece tokenizer.json that would be cut differently here is refused") {
  const auto error = [](const std::function<void(json::object&)>& spoil) {
    return FolderErrorOf(Llama2(), [&](CheckpointWriter& writer) { spoil(writer.tokenizer); });
  };
  const auto merges_of = [](json::object& t) -> json::array& {
    return t["model"].as_object()["merges"].as_array();
  };
  CHECK(Holds(error([&](auto& t) { merges_of(t).pop_back(); }), "which SentencePiece does"));
  CHECK(Holds(error([&](auto& t) { merges_of(t).push_back(merges_of(t).front()); }),
              "not the order of SentencePiece's scores"));
  CHECK(Holds(error([&](auto& t) { merges_of(t).push_back("zz zz"); }),
              "makes \"zzzz\", which is not a piece"));
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

}  // namespace
}  // namespace waferline::model
