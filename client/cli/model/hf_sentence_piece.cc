// SentencePiece vocabularies as tokenizer.json.
#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/model/hf_tokenizer_parts.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using model::Metadata;
using model::TokenType;
using model::Vocabulary;

json::object Replace(json::object pattern, std::string_view content) {
  return {{"type", "Replace"}, {"pattern", std::move(pattern)}, {"content", content}};
}

// All cuts of a piece into two pieces are merges, ranked by the piece's score.
absl::StatusOr<json::array> MergesOf(const Vocabulary& vocabulary,
                                     const std::vector<float>& scores) {
  constexpr size_t kMaxMerges = 20'000'000;
  std::unordered_map<std::string_view, TokenId> normal;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.Is(id, TokenType::kNormal)) normal.emplace(vocabulary.tokens[id], id);
  }
  std::vector<std::tuple<float, TokenId, size_t>> ranked;  // minus score, piece, its left part
  for (const auto& [piece, id] : normal) {
    for (size_t cut = 1; cut < piece.size(); ++cut) {
      if (!normal.contains(piece.substr(0, cut)) || !normal.contains(piece.substr(cut))) continue;
      ranked.emplace_back(-scores[id], id, cut);
    }
    if (ranked.size() > kMaxMerges) {
      return absl::UnimplementedError(
          absl::StrCat("the vocabulary has more than ", kMaxMerges, " merges"));
    }
  }
  std::sort(ranked.begin(), ranked.end());
  json::array merges;
  merges.reserve(ranked.size());
  for (const auto& [rank, id, cut] : ranked) {
    const std::string_view piece = vocabulary.tokens[id];
    merges.push_back(json::array{piece.substr(0, cut), piece.substr(cut)});
  }
  return merges;
}

// An expression that finds one of the user-defined tokens, the longest first; empty if there is
// none. They hold U+2581 for a space.
std::string UserDefined(const Vocabulary& vocabulary) {
  constexpr std::string_view kRegexMarks = "\\^$.|?*+()[]{}-#&~";
  std::vector<std::string> pieces;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.Is(id, TokenType::kUserDefined) || vocabulary.tokens[id].empty()) continue;
    std::string escaped;
    for (char c : WithVisibleSpaces(vocabulary.tokens[id])) {
      if (kRegexMarks.find(c) != std::string_view::npos) escaped += '\\';
      escaped += c;
    }
    pieces.push_back(std::move(escaped));
  }
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
  std::string regex;
  for (const std::string& piece : pieces) absl::StrAppend(&regex, regex.empty() ? "" : "|", piece);
  return regex;
}

json::object Decoder(bool space_prefix) {
  json::array steps{Replace({{"String", kVisibleSpace}}, " "),
                    json::object{{"type", "ByteFallback"}}, json::object{{"type", "Fuse"}}};
  if (space_prefix) {
    steps.push_back(json::object{{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return Sequence("decoders", std::move(steps));
}

json::object Normalizer(bool space_prefix, bool remove_extra) {
  json::array steps;
  if (remove_extra) {
    steps.push_back(Replace({{"Regex", "\\A +| +\\z"}}, ""));
    steps.push_back(Replace({{"Regex", " {2,}"}}, " "));
  }
  steps.push_back(Replace({{"String", " "}}, kVisibleSpace));
  // The step that puts a space before the text does not where there is one.
  if (space_prefix) {
    steps.push_back(Replace({{"Regex", absl::StrCat("\\A", Absl(kVisibleSpace))}},
                            absl::StrCat(Absl(kVisibleSpace), Absl(kVisibleSpace))));
  }
  return Sequence("normalizers", std::move(steps));
}

bool HasBytes(const Vocabulary& vocabulary) {
  return std::count(vocabulary.types.begin(), vocabulary.types.end(), TokenType::kByte) > 0;
}

absl::StatusOr<json::object> MergesModel(const Vocabulary& vocabulary,
                                         const std::vector<float>& scores) {
  WL_ASSIGN_OR_RETURN(json::array merges, MergesOf(vocabulary, scores));
  json::object bpe = BpeModel(TokenIds(vocabulary, true), std::move(merges));
  if (vocabulary.unknown) bpe["unk_token"] = vocabulary.tokens[*vocabulary.unknown];
  bpe["fuse_unk"] = true;
  bpe["byte_fallback"] = HasBytes(vocabulary);
  bpe["ignore_merges"] = !UserDefined(vocabulary).empty();
  return bpe;
}

// Its name, as a text could have it. No text has a space when pieces are looked for, so a name with
// one is never found.
std::string UnigramName(const Vocabulary& vocabulary, TokenId id) {
  const std::string& token = vocabulary.tokens[id];
  if (vocabulary.Is(id, TokenType::kUserDefined)) return WithVisibleSpaces(token);
  return vocabulary.Is(id, TokenType::kUnused) ? " " + token : token;
}

// Every token is a piece there. Those that no text becomes have the worst score, as what is unknown
// there counts 10 less than the worst of all; user-defined tokens, each alone between two cuts,
// have one that beats all.
json::object UnigramModel(const Vocabulary& vocabulary, const std::vector<float>& scores) {
  constexpr double kAlways = 1e6;
  double worst = 0;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.Is(id, TokenType::kNormal)) worst = std::min<double>(worst, scores[id]);
  }
  json::array pieces;
  pieces.reserve(vocabulary.tokens.size());
  TokenId byte = 0;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    double score = worst;
    if (vocabulary.Is(id, TokenType::kNormal)) score = scores[id];
    if (vocabulary.Is(id, TokenType::kUserDefined)) score = kAlways;
    if (vocabulary.Is(id, TokenType::kByte)) byte = id;
    pieces.push_back(json::array{UnigramName(vocabulary, id), score});
  }
  // With byte tokens the unknown one is never used, but the format needs a number.
  return {{"type", "Unigram"},
          {"unk_id", vocabulary.unknown.value_or(byte)},
          {"vocab", std::move(pieces)},
          {"byte_fallback", HasBytes(vocabulary)}};
}

}  // namespace

absl::StatusOr<json::object> SentencePieceTokenizer(const Metadata& metadata,
                                                    model::SentencePieceModel kind) {
  const bool merges = kind == model::SentencePieceModel::kMerges;
  WL_ASSIGN_OR_RETURN(const Vocabulary vocabulary,
                      Vocabulary::Read(metadata, /*add_bos=*/merges, /*add_eos=*/!merges));
  WL_ASSIGN_OR_RETURN(const std::vector<float> scores, metadata.Floats("tokenizer.ggml.scores"));
  WL_ASSIGN_OR_RETURN(const bool prefix, metadata.BoolOr("tokenizer.ggml.add_space_prefix", true));
  WL_ASSIGN_OR_RETURN(const bool remove_extra,
                      metadata.BoolOr("tokenizer.ggml.remove_extra_whitespaces", false));
  json::array steps;
  if (prefix) {
    steps.push_back(json::object{{"type", "Metaspace"},
                                 {"replacement", kVisibleSpace},
                                 {"prepend_scheme", "always"},
                                 {"split", false}});
  }
  // A text that spells a byte token's name is not a byte: cut, it is not a piece.
  if (!merges && HasBytes(vocabulary)) steps.push_back(Split("<(?=0x[0-9A-F]{2}>)"));
  const std::string own = UserDefined(vocabulary);
  if (!own.empty()) steps.push_back(Split(own));
  WL_ASSIGN_OR_RETURN(json::object out, CommonTokenizer(vocabulary, /*user_defined=*/false));
  out["normalizer"] = Normalizer(prefix, remove_extra);
  out["pre_tokenizer"] =
      steps.empty() ? json::value() : json::value(Sequence("pretokenizers", std::move(steps)));
  out["decoder"] = Decoder(prefix);
  if (merges) {
    WL_ASSIGN_OR_RETURN(out["model"], MergesModel(vocabulary, scores));
  } else {
    out["model"] = UnigramModel(vocabulary, scores);
  }
  return out;
}

}  // namespace waferline::cli
