#include "wafer_backend/compute/model/sentence_piece.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/best_pieces.h"
#include "wafer_backend/compute/model/merge.h"
#include "wafer_backend/compute/model/utf8.h"
#include "wafer_backend/compute/model/vocabulary_tokenizer.h"

namespace waferline::model {
namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581
constexpr TokenId kNoToken = -1;
constexpr float kUnknownPenalty = 10;  // of the library, below the worst piece
constexpr size_t kMaxUnigramBytes = 512;

std::string WithSpaces(std::string_view token) {
  std::string text;
  for (size_t i = 0; i < token.size();) {
    if (token.substr(i).starts_with(kSpace)) {
      text += ' ';
      i += kSpace.size();
    } else {
      text += token[i++];
    }
  }
  return text;
}

bool HasInnerSpace(std::string_view token) {
  while (token.starts_with(kSpace)) token.remove_prefix(kSpace.size());
  return token.find(kSpace) != std::string_view::npos;
}

// Without spaces at either end, and one for each run of them.
std::string WithoutExtraSpaces(std::string_view text) {
  std::string kept;
  for (char c : text) {
    if (c != ' ' || (!kept.empty() && kept.back() != ' ')) kept += c;
  }
  if (kept.ends_with(' ')) kept.pop_back();
  return kept;
}

// The byte that a token "<0x0A>" stands for, or -1.
int ByteOf(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  const int high = digit(token[3]), low = digit(token[4]);
  return high < 0 || low < 0 ? -1 : 16 * high + low;
}

struct Pieces {
  std::vector<std::string> text;  // by id: the bytes it stands for
  std::array<TokenId, 256> bytes;
};

absl::StatusOr<Pieces> ReadPieces(const Vocabulary& vocabulary) {
  Pieces pieces;
  pieces.bytes.fill(kNoToken);
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    if (vocabulary.Is(id, TokenType::kByte)) {
      const int byte = ByteOf(token);
      if (byte < 0) {
        return absl::InvalidArgumentError(absl::StrCat("token ", id, ", ", Quoted(token),
                                                       ", is a byte by its type "
                                                       "(tokenizer.ggml.token_type), but not "
                                                       "written as <0xHH>"));
      }
      pieces.text.push_back(std::string(1, static_cast<char>(byte)));
      if (pieces.bytes[byte] == kNoToken) pieces.bytes[byte] = id;
    } else if (vocabulary.Is(id, TokenType::kControl) || vocabulary.Is(id, TokenType::kUnknown)) {
      pieces.text.push_back(token);
    } else {
      pieces.text.push_back(WithSpaces(token));
    }
  }
  const auto missing = std::count(pieces.bytes.begin(), pieces.bytes.end(), kNoToken);
  if (missing != 0 && missing != 256) {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.tokens has byte tokens, but ",
                                                   missing, " of the 256 are missing"));
  }
  if (missing == 256 && !vocabulary.unknown) {
    return absl::InvalidArgumentError(
        "the vocabulary has neither byte tokens nor tokenizer.ggml.unknown_token_id");
  }
  return pieces;
}

struct Options {
  SentencePieceModel model;
  bool space_prefix;
  bool remove_extra_spaces;
};

class SentencePiece final : public VocabularyTokenizer {
 public:
  SentencePiece(Vocabulary read, Pieces pieces, std::vector<float> scores, Options options)
      : VocabularyTokenizer(std::move(read), std::move(pieces.text), options.space_prefix),
        options_(options),
        scores_(std::move(scores)),
        bytes_(pieces.bytes) {
    for (TokenId id = 0; id < size(); ++id) {
      if (!vocabulary().Is(id, TokenType::kNormal) &&
          !vocabulary().Is(id, TokenType::kUserDefined)) {
        continue;
      }
      const std::string_view token = vocabulary().tokens[id];
      ids_.emplace(token, id);
      longest_ = std::max(longest_, token.size());
      words_apart_ = words_apart_ && !HasInnerSpace(token);
      if (vocabulary().Is(id, TokenType::kNormal)) worst_ = std::min(worst_, scores_[id]);
    }
  }

  std::string Description() const override {
    return options_.model == SentencePieceModel::kMerges ? "SentencePiece"
                                                         : "SentencePiece (unigram)";
  }

 private:
  void EncodeText(std::string_view text, bool after_control,
                  std::vector<TokenId>& ids) const override {
    std::string own;
    if (options_.remove_extra_spaces) text = own = WithoutExtraSpaces(text);
    if (text.empty()) return;
    if (space_prefix() && after_control) text = own = absl::StrCat(" ", Absl(text));
    std::string written;
    std::vector<Symbol> symbols;
    Split(text, written, symbols);
    if (options_.model == SentencePieceModel::kMerges) {
      Merge(written, symbols);
    } else {
      ChooseBest(written, symbols);
    }
    for (int32_t i = 0; i >= 0; i = symbols[i].next) {
      const Symbol& symbol = symbols[i];
      const std::string_view part = std::string_view(written).substr(symbol.begin, symbol.length);
      const TokenId id = symbol.id != kNoToken || symbol.frozen ? symbol.id : IdOf(part);
      if (id != kNoToken) {
        ids.push_back(id);
      } else {
        Spell(part, symbol.frozen, ids);
      }
    }
  }

  // Word by word where no piece reaches over the beginning of one: the result is the same, and the
  // queues stay short.
  void Merge(std::string_view written, std::vector<Symbol>& symbols) const {
    const auto join = [&](const Symbol& a, const Symbol& b) -> std::optional<Joined> {
      const size_t length = size_t{a.length} + b.length;
      if (length > longest_) return std::nullopt;
      const auto found = ids_.find(written.substr(a.begin, length));
      if (found == ids_.end()) return std::nullopt;
      return Joined{-static_cast<double>(scores_[found->second]), found->second};
    };
    const auto is_space = [&](const Symbol& symbol) {
      return written.substr(symbol.begin, symbol.length) == kSpace;
    };
    MergeQueue queue;
    const auto end = static_cast<int32_t>(symbols.size());
    int32_t begin = 0;
    for (int32_t i = 1; i <= end; ++i) {
      const auto begins_word = [&] { return is_space(symbols[i]) && !is_space(symbols[i - 1]); };
      if (i < end && !(words_apart_ && begins_word())) continue;
      MergeSymbols(symbols, {begin, i}, join, queue);
      begin = i;
    }
  }

  void ChooseBest(std::string_view written, std::vector<Symbol>& symbols) const {
    const auto piece_of = [&](const Symbol& stretch) -> std::optional<ScoredPiece> {
      const auto found = ids_.find(written.substr(stretch.begin, stretch.length));
      if (found == ids_.end()) return std::nullopt;
      return ScoredPiece{found->second, scores_[found->second]};
    };
    model::ChooseBest(symbols, {longest_, worst_ - kUnknownPenalty}, piece_of);
  }

  // `written`: the text with spaces as U+2581; `symbols`: its characters and user-defined tokens.
  void Split(std::string_view text, std::string& written, std::vector<Symbol>& symbols) const {
    written.reserve(text.size() + text.size() / 2);
    symbols.reserve(text.size() + 1);
    const auto add = [&](std::string_view part, TokenId id, bool frozen) {
      const auto index = static_cast<int32_t>(symbols.size());
      symbols.push_back({static_cast<uint32_t>(written.size()), static_cast<uint32_t>(part.size()),
                         index - 1, -1, id, frozen});
      if (index > 0) symbols[index - 1].next = index;
      written += part;
    };
    for (size_t i = 0; i < text.size();) {
      if (const auto match = user_defined().At(text, i)) {
        add(text.substr(i, match->length), match->id, true);
        i += match->length;
        continue;
      }
      const Utf8Start start = StartOf(text.substr(i));
      const bool valid = start.kind == Utf8Start::kCharacter;
      const std::string_view part = text.substr(i, valid ? start.length : 1);
      add(part == " " ? kSpace : part, kNoToken, !valid || part == kSpace);
      i += part.size();
    }
  }

  TokenId IdOf(std::string_view part) const {
    const auto found = ids_.find(part);
    return found == ids_.end() ? kNoToken : found->second;
  }

  // A part that is not a token. `literal`: its U+2581 is not a space.
  void Spell(std::string_view part, bool literal, std::vector<TokenId>& ids) const {
    if (bytes_[0] == kNoToken) {
      // A run of unknown characters is one token.
      if (ids.empty() || ids.back() != *vocabulary().unknown) ids.push_back(*vocabulary().unknown);
      return;
    }
    if (!literal && part == kSpace) part = " ";
    for (char byte : part) ids.push_back(bytes_[static_cast<uint8_t>(byte)]);
  }

  const Options options_;
  const std::vector<float> scores_;
  const std::array<TokenId, 256> bytes_;  // kNoToken if the vocabulary has no byte tokens
  absl::flat_hash_map<std::string_view, TokenId> ids_;  // of pieces that text may become
  size_t longest_ = 0;
  float worst_ = 0;
  bool words_apart_ = true;  // no piece has a space after something else
};

absl::StatusOr<std::vector<float>> ReadScores(const Metadata& metadata,
                                              const Vocabulary& vocabulary) {
  constexpr const char* kKey = "tokenizer.ggml.scores";
  WL_ASSIGN_OR_RETURN(std::vector<float> scores, metadata.Floats(kKey));
  if (scores.size() != vocabulary.tokens.size()) {
    return absl::InvalidArgumentError(absl::StrCat(kKey, " has ", scores.size(),
                                                   " entries, but tokenizer.ggml.tokens has ",
                                                   vocabulary.tokens.size()));
  }
  if (!std::all_of(scores.begin(), scores.end(), [](float s) { return std::isfinite(s); })) {
    return absl::InvalidArgumentError(absl::StrCat(kKey, " holds a number that is not finite"));
  }
  return scores;
}

absl::Status CheckUnigram(const Vocabulary& vocabulary) {
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.Is(id, TokenType::kNormal)) continue;
    if (vocabulary.tokens[id].size() <= kMaxUnigramBytes) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("token ", id, " has ", vocabulary.tokens[id].size(),
                     " bytes, a unigram model's may have at most ", kMaxUnigramBytes));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Tokenizer>> NewSentencePiece(const Metadata& metadata,
                                                                  SentencePieceModel model) {
  constexpr const char* kCharsmap = "tokenizer.ggml.precompiled_charsmap";
  const bool merges = model == SentencePieceModel::kMerges;
  WL_ASSIGN_OR_RETURN(Vocabulary vocabulary,
                      Vocabulary::Read(metadata, /*add_bos=*/merges, /*add_eos=*/!merges));
  WL_ASSIGN_OR_RETURN(std::vector<float> scores, ReadScores(metadata, vocabulary));
  if (metadata.Has(kCharsmap)) {
    return absl::UnimplementedError(
        absl::StrCat(kCharsmap, ": normalising text by such a table is not supported"));
  }
  if (!merges) WL_RETURN_IF_ERROR(CheckUnigram(vocabulary));
  WL_ASSIGN_OR_RETURN(const bool space_prefix,
                      metadata.BoolOr("tokenizer.ggml.add_space_prefix", true));
  WL_ASSIGN_OR_RETURN(const bool remove_extra,
                      metadata.BoolOr("tokenizer.ggml.remove_extra_whitespaces", false));
  WL_ASSIGN_OR_RETURN(Pieces pieces, ReadPieces(vocabulary));
  return std::make_shared<SentencePiece>(std::move(vocabulary), std::move(pieces),
                                         std::move(scores),
                                         Options{model, space_prefix, remove_extra});
}

}  // namespace waferline::model
