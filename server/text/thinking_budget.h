// Holds a model's reasoning to a number of tokens: then nothing but its end may come, and the
// answer begins. Values and pure functions; what they make is for any thread.
//
// The end counts as reasoning, too, so an answer has at most `tokens` + kMaxEndTokens of it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "server/text/reasoning.h"
#include "wafer_backend/api/constraint.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::text {

inline constexpr size_t kMaxEndTokens = 16;

struct ThinkingBudget {
  uint32_t tokens = 0;
  size_t vocabulary = 0;      // tokens of the model
  bool opened = false;        // by the prompt
  std::vector<TokenId> open;  // what begins the reasoning, else
  TokenId mark = 0;           // what ends it
  std::vector<TokenId> end;   // what is written where it ends by the budget; begins with `mark`
};

// For answers that mark their reasoning so; kNone is a bug. InvalidArgument: the vocabulary has no
// token for a mark, which it names.
struct ThinkingRequest {
  uint32_t tokens = 0;
  ReasoningMarks marks = ReasoningMarks::kThink;
  bool opened = false;  // by the prompt
};
absl::StatusOr<ThinkingBudget> MakeThinkingBudget(const ThinkingRequest& request,
                                                  const model::Tokenizer& tokenizer);

// `rest` is what the text is held to otherwise; null if it is free.
std::shared_ptr<const TokenConstraint> HoldThinking(ThinkingBudget budget,
                                                    std::shared_ptr<const TokenConstraint> rest);

}  // namespace waferline::text
