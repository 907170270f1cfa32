#include "wafer_backend/api/prediction.h"

#include <algorithm>
#include <utility>

namespace waferline {
namespace {

uint64_t PairOf(TokenId first, TokenId second) {
  return uint64_t{static_cast<uint32_t>(first)} << 32 | static_cast<uint32_t>(second);
}

}  // namespace

Prediction::Prediction(std::vector<TokenId> tokens) : tokens_(std::move(tokens)) {
  for (size_t i = 1; i < tokens_.size(); ++i) {
    behind_[PairOf(tokens_[i - 1], tokens_[i])].push_back(static_cast<uint32_t>(i + 1));
  }
}

size_t Prediction::Behind(TokenId first, TokenId second, size_t from) const {
  const auto found = behind_.find(PairOf(first, second));
  if (found == behind_.end()) return 0;
  const auto at = std::upper_bound(found->second.begin(), found->second.end(), from);
  return at == found->second.end() ? 0 : *at;
}

void PredictionCursor::Append(TokenId id) {
  const std::vector<TokenId>& tokens = prediction_->tokens();
  if (at_ < tokens.size() && tokens[at_] == id) {
    ++accepted_;
    ++at_;
  } else if (const size_t found = last_ < 0 ? 0 : prediction_->Behind(last_, id, at_); found > 0) {
    at_ = found;
  }
  last_ = id;
}

std::span<const TokenId> PredictionCursor::Expected(size_t count) const {
  const std::span<const TokenId> rest = std::span(prediction_->tokens()).subspan(at_);
  return rest.first(std::min(count, rest.size()));
}

}  // namespace waferline
