// A text that a client expects as the answer ("predicted outputs"), as tokens, and how far an
// answer follows it. The compute plane guesses by it, and the front door counts by it, so that what
// an answer is said to have taken does not depend on how its tokens were computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "wafer_backend/base/ids.h"

namespace waferline {

// Immutable; any thread. Memory: about 100 bytes a token.
class Prediction {
 public:
  explicit Prediction(std::vector<TokenId> tokens);

  const std::vector<TokenId>& tokens() const { return tokens_; }
  // Where the text goes on behind the first `first`, `second` that ends behind `from`; 0: nowhere.
  size_t Behind(TokenId first, TokenId second, size_t from) const;

 private:
  const std::vector<TokenId> tokens_;
  std::unordered_map<uint64_t, std::vector<uint32_t>> behind_;  // by a pair of tokens, rising
};

// Follows one answer. A value; one thread. Where the answer leaves the prediction, it is found
// again, further on, by two tokens that come as they were predicted; a token of the prediction is
// expected once, so accepted() is at most their number. O(log n) a token.
class PredictionCursor {
 public:
  explicit PredictionCursor(std::shared_ptr<const Prediction> prediction)
      : prediction_(std::move(prediction)) {}

  // The next token of the answer.
  void Append(TokenId id);
  // What is expected now, at most `count` tokens.
  std::span<const TokenId> Expected(size_t count) const;
  // Tokens of the prediction that came when they were expected, and the others.
  uint32_t accepted() const { return accepted_; }
  uint32_t rejected() const {
    return static_cast<uint32_t>(prediction_->tokens().size()) - accepted_;
  }

 private:
  std::shared_ptr<const Prediction> prediction_;
  size_t at_ = 0;      // of the token that is expected
  TokenId last_ = -1;  // of the answer; -1: none
  uint32_t accepted_ = 0;
};

}  // namespace waferline
