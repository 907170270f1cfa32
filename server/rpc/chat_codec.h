// Chats of waferline.v1: messages, tools and reasoning, as the prompt that the model's template
// writes, and how its reply is read. Pure; any thread. Errors: a FieldError that names the field.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/waferline/v1/inference.pb.h"
#include "server/text/answer_form.h"
#include "server/text/served_model.h"
#include "server/text/thinking_budget.h"
#include "wafer_backend/compute/grammar/tool_calls.h"

namespace waferline::rpc {

struct DecodedChat {
  std::vector<TokenId> prompt;
  text::AnswerForm form;                    // of a reply that is held to nothing
  std::optional<grammar::ToolCalls> calls;  // what may be called; none if nothing may
};

absl::StatusOr<DecodedChat> DecodeChat(const v1::ChatInput& chat, const text::ServedModel& model,
                                       int64_t unix_seconds);

// Of an answer in `form`. None if the chat names no budget. An answer that has no reasoning is an
// error.
absl::StatusOr<std::optional<text::ThinkingBudget>> DecodeThinking(const v1::ChatInput& chat,
                                                                   const text::ServedModel& model,
                                                                   const text::AnswerForm& form);

// A text that cannot fit the context is refused at `field` before it is tokenized.
absl::Status CheckTextFits(std::string_view field, size_t bytes, const text::ServedModel& model);

}  // namespace waferline::rpc
