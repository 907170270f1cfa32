// What a chat says of reasoning, for the model's template: disable_reasoning and reasoning_effort
// none (which switch it off in templates that can), other efforts, clear_thinking. Pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/openai/dialect.h"
#include "server/openai/fields.h"
#include "server/openai/response_shape.h"
#include "server/text/served_model.h"
#include "server/text/thinking_budget.h"

namespace waferline::openai {

// Adds names for the template to `names`; those that are there win. Thinking of earlier turns that
// is to be kept is an error with a template that has no such switch.
void ReadReasoningFields(Fields& fields, const text::ChatTemplate& chat,
                         boost::json::object* names);

// An effort that the template does not read has no effect: harnesses send one to every model. It is
// named in `warning`, or refused where fields without effect are.
absl::Status CheckEffort(const Fields& fields, const text::ChatTemplate& chat,
                         const Dialect& dialect, std::string* warning);

// thinking_budget, or thinking_token_budget (vLLM's). None if it was not sent, or if the answer has
// no reasoning: then `warning` says so. InvalidArgument at it: the vocabulary has no token for a
// mark.
absl::StatusOr<std::optional<text::ThinkingBudget>> ReadThinkingBudget(
    Fields& fields, const text::ServedModel& model, const ResponseShape& shape,
    std::string* warning);

}  // namespace waferline::openai
