#include "wafer_backend/compute/model/byte_pair.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/byte_alphabet.h"
#include "wafer_backend/compute/model/merge.h"
#include "wafer_backend/compute/model/normal_form.h"
#include "wafer_backend/compute/model/pre_tokenizer.h"
#include "wafer_backend/compute/model/vocabulary_tokenizer.h"

namespace waferline::model {
namespace {

constexpr TokenId kNone = -1;

uint64_t PairKey(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

struct Merge {
  uint32_t rank;
  TokenId id;
};

struct Merges {
  std::array<TokenId, 256> bytes;  // the tokens of single bytes, kNone where there is none
  absl::flat_hash_map<uint64_t, Merge> by_pair;
};

// What each token stands for: normal tokens are written in the byte alphabet, others as they are.
std::vector<std::string> PiecesOf(const Vocabulary& vocabulary) {
  std::vector<std::string> pieces;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    std::optional<std::string> bytes;
    if (vocabulary.Is(id, TokenType::kNormal)) bytes = BytesOfToken(token);
    pieces.push_back(bytes ? *std::move(bytes) : token);
  }
  return pieces;
}

absl::StatusOr<Merges> ReadMerges(const Metadata& metadata, const Vocabulary& vocabulary) {
  constexpr const char* kKey = "tokenizer.ggml.merges";
  Merges merges;
  merges.bytes.fill(kNone);
  absl::flat_hash_map<std::string_view, TokenId> ids;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const bool first = ids.emplace(vocabulary.tokens[id], id).second;
    if (!first || !vocabulary.Is(id, TokenType::kNormal)) continue;
    const auto bytes = BytesOfToken(vocabulary.tokens[id]);
    if (bytes && bytes->size() == 1) merges.bytes[static_cast<uint8_t>((*bytes)[0])] = id;
  }
  if (std::count(merges.bytes.begin(), merges.bytes.end(), kNone) == 256) {
    return absl::InvalidArgumentError("tokenizer.ggml.tokens has no token for any byte");
  }
  WL_ASSIGN_OR_RETURN(const auto lines, metadata.Strings(kKey));
  merges.by_pair.reserve(lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = lines[i];
    const size_t space = line.find(' ');
    const auto left = ids.find(line.substr(0, space));
    const auto right = ids.find(space == line.npos ? std::string_view() : line.substr(space + 1));
    std::string both(line);
    if (space != line.npos) both.erase(space, 1);
    const auto joined = ids.find(both);
    if (left == ids.end() || right == ids.end() || joined == ids.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(kKey, ": entry ", i, ", ", Quoted(line),
                       ", does not join two tokens, written with a space between, to a third"));
    }
    if (vocabulary.Is(joined->second, TokenType::kControl)) continue;  // text never becomes one
    merges.by_pair.emplace(PairKey(left->second, right->second),
                           Merge{static_cast<uint32_t>(i), joined->second});
  }
  return merges;
}

class BytePair final : public VocabularyTokenizer {
 public:
  BytePair(Vocabulary read, std::vector<std::string> pieces, Merges merges,
           std::unique_ptr<PreTokenizer> words, bool whole_words)
      : VocabularyTokenizer(std::move(read), std::move(pieces), /*space_prefix=*/false),
        merges_(std::move(merges)),
        words_(std::move(words)) {
    if (!whole_words) return;
    for (TokenId id = 0; id < size(); ++id) {
      if (vocabulary().Is(id, TokenType::kNormal)) whole_words_.emplace(Piece(id), id);
    }
  }

  std::string Description() const override {
    return absl::StrCat("byte-level BPE (", Absl(words_->row().name), ")");
  }

 private:
  struct Space {
    std::vector<Symbol> symbols;
    MergeQueue queue;
  };

  void EncodeText(std::string_view text, bool, std::vector<TokenId>& ids) const override {
    Space space;
    size_t done = 0;
    while (const auto match = user_defined().Next(text, done)) {
      EncodeWords(text.substr(done, match->begin - done), space, ids);
      ids.push_back(match->id);
      done = match->begin + match->length;
    }
    EncodeWords(text.substr(done), space, ids);
  }

  void EncodeWords(std::string_view text, Space& space, std::vector<TokenId>& ids) const {
    if (text.empty()) return;
    std::string normal;
    if (words_->row().nfc && MayChangeInFormC(text)) text = normal = FormC(text);
    PreTokenizer::Words words(*words_, text);
    for (std::string_view word = words.Next(); !word.empty(); word = words.Next()) {
      if (const auto whole = whole_words_.find(word); whole != whole_words_.end()) {
        ids.push_back(whole->second);
      } else {
        EncodeWord(word, space, ids);
      }
    }
  }

  void EncodeWord(std::string_view word, Space& space, std::vector<TokenId>& ids) const {
    std::vector<Symbol>& symbols = space.symbols;
    symbols.clear();
    for (size_t i = 0; i < word.size(); ++i) {
      const TokenId id = merges_.bytes[static_cast<uint8_t>(word[i])];
      if (id == kNone) continue;
      const auto index = static_cast<int32_t>(symbols.size());
      symbols.push_back({static_cast<uint32_t>(i), 1, index - 1, index + 1, id});
    }
    if (symbols.empty()) return;
    symbols.back().next = -1;
    const auto join = [this](const Symbol& a, const Symbol& b) -> std::optional<Joined> {
      const auto found = merges_.by_pair.find(PairKey(a.id, b.id));
      if (found == merges_.by_pair.end()) return std::nullopt;
      return Joined{static_cast<double>(found->second.rank), found->second.id};
    };
    MergeSymbols(symbols, {0, static_cast<int32_t>(symbols.size())}, join, space.queue);
    for (int32_t i = 0; i >= 0; i = symbols[i].next) ids.push_back(symbols[i].id);
  }

  const Merges merges_;
  const std::unique_ptr<PreTokenizer> words_;
  // Words that are tokens are not put together by merges (Llama 3's "ignore_merges").
  absl::flat_hash_map<std::string_view, TokenId> whole_words_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Tokenizer>> NewBytePair(const Metadata& metadata) {
  WL_ASSIGN_OR_RETURN(const std::string_view pre, metadata.String("tokenizer.ggml.pre"));
  WL_ASSIGN_OR_RETURN(std::unique_ptr<PreTokenizer> words, PreTokenizer::Find(pre));
  const PreTokenizerRow& row = words->row();
  WL_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::Read(metadata, row.adds_bos));
  WL_ASSIGN_OR_RETURN(Merges merges, ReadMerges(metadata, vocabulary));
  std::vector<std::string> pieces = PiecesOf(vocabulary);
  return std::make_shared<BytePair>(std::move(vocabulary), std::move(pieces), std::move(merges),
                                    std::move(words), row.whole_words);
}

}  // namespace waferline::model
