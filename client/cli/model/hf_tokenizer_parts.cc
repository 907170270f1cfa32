#include "client/cli/model/hf_tokenizer_parts.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using model::TokenType;
using model::Vocabulary;

// Tokens that are looked for in the text before anything else.
json::array AddedTokens(const Vocabulary& vocabulary, bool user_defined) {
  json::array added;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const bool special =
        vocabulary.Is(id, TokenType::kControl) || vocabulary.Is(id, TokenType::kUnknown);
    const bool own = user_defined && vocabulary.Is(id, TokenType::kUserDefined);
    if (!special && !own) continue;
    added.push_back(json::object{{"id", id},
                                 {"content", vocabulary.tokens[id]},
                                 {"single_word", false},
                                 {"lstrip", false},
                                 {"rstrip", false},
                                 {"normalized", false},
                                 {"special", special}});
  }
  return added;
}

// Begin and end tokens around one text, or around two.
json::object PostProcessor(const Vocabulary& vocabulary) {
  json::object special;
  const auto token = [&](TokenId id, int type) {
    const std::string& name = vocabulary.tokens[id];
    special[name] =
        json::object{{"id", name}, {"ids", json::array{id}}, {"tokens", json::array{name}}};
    return json::object{{"SpecialToken", json::object{{"id", name}, {"type_id", type}}}};
  };
  const auto around = [&](json::array& out, const char* name, int type) {
    if (vocabulary.add_bos) out.push_back(token(*vocabulary.bos, type));
    out.push_back(json::object{{"Sequence", json::object{{"id", name}, {"type_id", type}}}});
    if (vocabulary.add_eos) out.push_back(token(*vocabulary.eos, type));
  };
  json::array single, pair;
  around(single, "A", 0);
  around(pair, "A", 0);
  around(pair, "B", 1);
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(special)}};
}

absl::Status CheckUtf8(const Vocabulary& vocabulary) {
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    if (model::Utf8Text(vocabulary.tokens[id]) == vocabulary.tokens[id]) continue;
    return absl::UnimplementedError(absl::StrCat(
        "token ", id,
        " is not UTF-8, tokenizer.json cannot hold it: ", model::Quoted(vocabulary.tokens[id])));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<json::object> CommonTokenizer(const Vocabulary& vocabulary, bool user_defined) {
  WL_RETURN_IF_ERROR(CheckUtf8(vocabulary));
  return json::object{{"version", "1.0"},
                      {"truncation", nullptr},
                      {"padding", nullptr},
                      {"added_tokens", AddedTokens(vocabulary, user_defined)},
                      {"post_processor", PostProcessor(vocabulary)}};
}

json::object TokenIds(const Vocabulary& vocabulary, bool visible_spaces) {
  json::object ids;
  ids.reserve(vocabulary.tokens.size());
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    const bool change = visible_spaces && vocabulary.Is(id, TokenType::kUserDefined);
    ids.emplace(change ? WithVisibleSpaces(token) : token, id);
  }
  return ids;
}

json::object BpeModel(json::object ids, json::array merges) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(ids)},
          {"merges", std::move(merges)}};
}

json::object Split(std::string_view regex) {
  return {{"type", "Split"},
          {"pattern", json::object{{"Regex", regex}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

json::object Sequence(const char* field, json::array steps) {
  return {{"type", "Sequence"}, {field, std::move(steps)}};
}

std::string WithVisibleSpaces(std::string_view text) {
  std::string out;
  for (char c : text) c == ' ' ? out += kVisibleSpace : out += c;
  return out;
}

}  // namespace waferline::cli
