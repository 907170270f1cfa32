// What a sequence's text is held to: which tokens may come next, as a pure function of the tokens
// so far. Made by the codec that read the request, asked by whatever draws its tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "wafer_backend/base/ids.h"

namespace waferline {

// A set of tokens, never empty. A value.
struct AllowedTokens {
  std::vector<TokenId> few;    // in ascending order, if `bits` is empty
  std::vector<uint64_t> bits;  // bit i % 64 of word i / 64 for token i; tokens beyond are refused
  bool ends_only = false;      // nothing but an end token: the text is complete

  bool Contains(TokenId id) const;
};

// One sequence's place in the text. Owner: whatever draws; thread: one at a time.
class ConstraintCursor {
 public:
  virtual ~ConstraintCursor() = default;
  // Stays valid for as long as it is held.
  virtual std::shared_ptr<const AllowedTokens> Allowed() = 0;
  // The token that came; one that was not allowed completes the text.
  virtual void Append(TokenId id) = 0;
  // The first token of a short way to a complete text, an end token if it is complete: for sources
  // of text that have no opinion of their own.
  virtual TokenId TowardsEnd() = 0;
};

// Immutable, shared by sequences and threads.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  virtual std::unique_ptr<ConstraintCursor> Start() const = 0;
};

inline bool AllowedTokens::Contains(TokenId id) const {
  if (bits.empty()) {
    for (const TokenId one : few) {
      if (one == id) return true;
    }
    return false;
  }
  const auto at = static_cast<size_t>(id);
  return at / 64 < bits.size() && (bits[at / 64] >> (at % 64) & 1) != 0;
}

}  // namespace waferline
