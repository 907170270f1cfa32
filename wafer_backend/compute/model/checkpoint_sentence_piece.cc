#include "wafer_backend/compute/model/checkpoint_sentence_piece.h"

#include <boost/json/object.hpp>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/checkpoint_pre_tokenizer.h"
#include "wafer_backend/compute/model/metadata.h"

namespace waferline::model {
namespace {

namespace json = boost::json;

constexpr std::string_view kSpaceMark = "\xe2\x96\x81";  // U+2581
constexpr float kUnscored = 0;

// Found in a text before it is cut into pieces.
bool IsAdded(TokenType type) {
  return type == TokenType::kControl || type == TokenType::kUserDefined ||
         type == TokenType::kUnknown;
}

// Of all ways to cut a piece in two, those that no merge has.
absl::Status CheckAllCuts(const std::unordered_set<std::string_view>& merges,
                          const std::unordered_map<std::string_view, size_t>& pieces) {
  for (const auto& [piece, id] : pieces) {
    for (size_t at = 1; at < piece.size(); ++at) {
      if ((piece[at] & 0xc0) == 0x80) continue;  // within a character
      const std::string_view left = piece.substr(0, at), right = piece.substr(at);
      if (!pieces.contains(left) || !pieces.contains(right)) continue;
      const std::string merge = absl::StrCat(Absl(left), " ", Absl(right));
      if (merges.contains(merge)) continue;
      return absl::UnimplementedError(absl::StrCat("model.merges: ", Quoted(left), " and ",
                                                   Quoted(right), " are not joined to ",
                                                   Quoted(piece), ", which SentencePiece does"));
    }
  }
  return absl::OkStatus();
}

absl::Status NotSpaces(JsonFields& fields, std::string_view type) {
  return absl::UnimplementedError(absl::StrCat(
      fields.PathOf("type"), " is ", Quoted(type),
      "; with byte_fallback only writing spaces as U+2581 is supported (Prepend, Replace, a Split "
      "at spaces, Metaspace without split)"));
}

// What a step of the normalizer or of the pre-tokenizer does; `prefix` becomes true if it puts a
// space before the text.
absl::Status ReadStep(JsonFields& fields, const std::string& type, bool* prefix) {
  std::string text, pattern;
  if (const json::object* object = fields.Object("pattern")) {
    JsonFields(*object).Text("String", 16, &pattern);
  }
  if (type == "Prepend") {
    fields.Text("prepend", 16, &text);
    *prefix = true;
    return text == kSpaceMark ? fields.status() : NotSpaces(fields, type);
  }
  if (type == "Replace") {
    fields.Text("content", 16, &text);
    return pattern == " " && text == kSpaceMark ? fields.status() : NotSpaces(fields, type);
  }
  if (type == "Split") return pattern == " " ? fields.status() : NotSpaces(fields, type);
  if (type != "Metaspace") return NotSpaces(fields, type);
  bool split = true, add = false;
  std::string scheme;
  fields.Bool("split", &split);
  fields.Bool("add_prefix_space", &add);
  fields.Text("prepend_scheme", 16, &scheme);
  fields.Text("replacement", 16, &text);
  WL_RETURN_IF_ERROR(fields.status());
  if (split || scheme == "first" || text != kSpaceMark) return NotSpaces(fields, type);
  *prefix = scheme.empty() ? add : scheme == "always";
  return absl::OkStatus();
}

}  // namespace

bool IsByteName(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with('>') &&
         token.find_first_not_of("0123456789ABCDEFabcdef", 3) == 5;
}

absl::StatusOr<std::vector<float>> ScoresOfMerges(const std::vector<std::string>& merges,
                                                  const std::vector<std::string>& tokens,
                                                  const std::vector<TokenType>& types) {
  std::unordered_map<std::string_view, size_t> pieces;
  std::unordered_set<std::string_view> added;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (types[id] == TokenType::kNormal) pieces.emplace(tokens[id], id);
    if (IsAdded(types[id])) added.insert(tokens[id]);
  }
  std::vector<float> scores(tokens.size(), kUnscored);
  std::unordered_set<std::string_view> known;
  size_t last = tokens.size();  // what the merge before made
  for (size_t i = 0; i < merges.size(); ++i) {
    const size_t space = merges[i].find(' ');
    std::string joined = merges[i];
    if (space != std::string::npos) joined.erase(space, 1);
    // Gemma's files have merges to runs of spaces and other tokens that are found as they are.
    if (added.contains(joined)) continue;
    const auto made = pieces.find(joined);
    if (space == std::string::npos || made == pieces.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("model.merges[", i, "] makes ", Quoted(joined), ", which is not a piece"));
    }
    for (const std::string_view part :
         {std::string_view(joined).substr(0, space), std::string_view(joined).substr(space)}) {
      if (!added.contains(part)) continue;
      return absl::UnimplementedError(
          absl::StrCat("model.merges[", i, "] joins ", Quoted(part), " to ", Quoted(joined),
                       "; a token of added_tokens is never joined here"));
    }
    known.insert(merges[i]);
    if (made->second == last) continue;
    last = made->second;
    if (scores[last] != kUnscored) {
      return absl::UnimplementedError(
          absl::StrCat("model.merges[", i, "] makes ", Quoted(joined),
                       " after others that come later: not the order of SentencePiece's scores"));
    }
    scores[last] = -static_cast<float>(i) - 1;
  }
  WL_RETURN_IF_ERROR(CheckAllCuts(known, pieces));
  return scores;
}

absl::StatusOr<bool> SpacePrefixOf(JsonFields& tokenizer) {
  bool prefix = false;
  for (const auto& [field, list] :
       {std::pair("normalizer", "normalizers"), std::pair("pre_tokenizer", "pretokenizers")}) {
    const json::object* object = tokenizer.Object(field);
    WL_RETURN_IF_ERROR(tokenizer.status());
    if (object == nullptr) continue;
    const auto step = [&prefix](const std::string& type, JsonFields& fields) {
      return ReadStep(fields, type, &prefix);
    };
    WL_RETURN_IF_ERROR(ForEachStep(*object, list, absl::StrCat(field, "."), step));
  }
  return prefix;
}

}  // namespace waferline::model
