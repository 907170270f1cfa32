// Holds a model's reasoning to a number of tokens: then nothing but its end may come, and the
// answer begins. Values and pure functions; what they make is for any thread.
//
// The end counts as reasoning, too, so an answer has at most `tokens` + kMaxEndTokens of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/openai/fields.h"
#include "server/openai/response_shape.h"
#include "server/text/served_model.h"
#include "wafer_backend/api/constraint.h"

namespace waferline::openai {

inline constexpr size_t kMaxEndTokens = 16;

struct ThinkingBudget {
  uint32_t tokens = 0;
  size_t vocabulary = 0;      // tokens of the model
  bool opened = false;        // by the prompt
  std::vector<TokenId> open;  // what begins the reasoning, else
  TokenId mark = 0;           // what ends it
  std::vector<TokenId> end;   // what is written where it ends by the budget; begins with `mark`
};

// thinking_budget, or thinking_token_budget (vLLM's). None if it was not sent, or if the answer has
// no reasoning: then `warning` says so. InvalidArgument at it: the vocabulary has no token for a
// mark.
absl::StatusOr<std::optional<ThinkingBudget>> ReadThinkingBudget(Fields& fields,
                                                                 const text::ServedModel& model,
                                                                 const ResponseShape& shape,
                                                                 std::string* warning);

// `rest` is what the text is held to otherwise; null if it is free.
std::shared_ptr<const TokenConstraint> HoldThinking(ThinkingBudget budget,
                                                    std::shared_ptr<const TokenConstraint> rest);

}  // namespace waferline::openai
