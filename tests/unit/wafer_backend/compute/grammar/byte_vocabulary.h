// A vocabulary of all bytes, some longer texts, an end token and a control token.
#pragma once

#include <string>
#include <vector>

#include "tests/support/byte_tokenizer.h"
#include "wafer_backend/compute/grammar/compiler.h"

namespace waferline::grammar {

inline constexpr TokenId kEnd = 256, kCall = 257, kFirstText = 258;

// Without a start token: tests look at what follows.
class BytesAndTexts final : public ByteTokenizer {
 public:
  explicit BytesAndTexts(std::vector<std::string> texts = {})
      : ByteTokenizer({.control = {"</s>", "[CALL]"},
                       .texts = std::move(texts),
                       .bos = std::nullopt,
                       .ends = {grammar::kEnd}}) {}
};

// Whether the constraint lets `text` come, byte by byte, and end there.
inline bool Takes(const TokenConstraint& constraint, std::string_view text) {
  const auto cursor = constraint.Start();
  for (const char c : text) {
    const auto id = static_cast<TokenId>(static_cast<unsigned char>(c));
    if (!cursor->Allowed()->Contains(id)) return false;
    cursor->Append(id);
  }
  return cursor->Allowed()->Contains(kEnd);
}

}  // namespace waferline::grammar
