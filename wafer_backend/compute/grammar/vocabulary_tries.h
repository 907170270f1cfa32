// The vocabulary's tokens as trees of bytes, which a grammar is walked along to find the tokens
// that may come next. Tokens of plain characters only are kept apart by their number of characters:
// where any text may come, as in a JSON string, whole sets of them are allowed without a walk.
//
// Immutable: any thread. Memory: about 16 bytes a byte of the vocabulary.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::grammar {

// A plain character is one from U+0020 on, but for the quotation mark, the backslash, and the line
// and paragraph separators U+2028 and U+2029: what JSON strings and '.' of regular expressions take
// as it is. Longer runs than this are walked.
inline constexpr uint8_t kMaxPlainRun = 16;

struct TrieNode {
  uint32_t behind;  // index of the first node that is not below this one
  TokenId token;    // that ends here; -1: none
  uint16_t depth;   // bytes from the root, this one included
  uint8_t byte;
};
struct Trie {
  std::vector<TrieNode> nodes;  // in preorder, without the root
  // By byte, the nodes of the texts that begin with it.
  struct Range {
    uint32_t begin = 0, end = 0;
  };
  std::array<Range, 256> of_first = {};
};

// Tokens of some lengths.
struct TokenGroup {
  // Those that have other than plain characters, or more than kMaxPlainRun of them.
  Trie other;
  // By number of characters, 1 to kMaxPlainRun: those of exactly that many plain ones, and as bits
  // those of up to that many.
  std::array<Trie, kMaxPlainRun + 1> plain;
  std::array<std::vector<uint64_t>, kMaxPlainRun + 1> plain_up_to;
};

class VocabularyTries {
 public:
  // Tokens of more bytes are apart: there are few of them.
  static constexpr size_t kShortBytes = 16;

  // Control tokens are in it as kControlMark and their name. Unknown and unused tokens, those
  // without text and single bytes that are in no UTF-8 text are left out.
  explicit VocabularyTries(const model::Tokenizer& tokenizer);

  size_t words() const { return words_; }  // of 64 bits, one bit a token
  size_t size() const { return texts_.size(); }
  const TokenGroup& group(bool of_long) const { return groups_[of_long ? 1 : 0]; }

  // Its bytes as the trees have them; empty if it is left out.
  std::string_view TextOf(TokenId id) const;
  // Bytes of the longest token.
  size_t longest() const { return longest_; }
  // Bytes that are a token by themselves. kControlMark is, if there are control tokens.
  const std::array<bool, 256>& single_bytes() const { return single_bytes_; }
  bool HasControl(std::string_view name) const;
  // The longest token that `text` begins with; -1 if none.
  TokenId LongestPrefix(std::string_view text) const;
  const std::vector<TokenId>& end_ids() const { return end_ids_; }

 private:
  std::vector<std::string> texts_;
  std::vector<TokenId> end_ids_;
  size_t words_;
  std::array<TokenGroup, 2> groups_;  // short, long
  std::array<bool, 256> single_bytes_{};
  std::unordered_map<std::string_view, TokenId> by_text_;
  size_t longest_ = 0;
};

}  // namespace waferline::grammar
