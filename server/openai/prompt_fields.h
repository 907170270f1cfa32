// What the model is to go on from: `prompt` of completions, `messages` of chat, as token ids.
#pragma once

#include <boost/json/array.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/openai/fields.h"
#include "server/openai/response_shape.h"
#include "server/serving/limits.h"
#include "server/text/served_model.h"

namespace waferline::openai {

struct PromptRules {
  bool keep_text = false;             // fill Prompt::text, for echo
  std::string_view field = "prompt";  // that has them
  int64_t max_prompts = serving::kMaxChoices;
};
// One string, one list of ids, or a list of either.
// Names of control tokens in texts become these tokens, unless `parse_special` is false.
// A text that cannot fit the context is refused before it is tokenized.
absl::StatusOr<std::vector<ResponseShape::Prompt>> ReadPrompts(Fields& fields,
                                                               const text::ServedModel& model,
                                                               const PromptRules& rules);

// Rendered by the model's chat template, with `chat_template_kwargs` for it; `unix_seconds` is the
// date it may write, `tools` what it tells the model of. InvalidArgument if there is none, or it
// does not take the conversation.
absl::StatusOr<ResponseShape::Prompt> ReadMessages(Fields& fields, const text::ServedModel& model,
                                                   int64_t unix_seconds,
                                                   const boost::json::array& tools);

// content: a string, or a list of parts of which only text is supported.
absl::StatusOr<std::string> ReadContent(Fields& message, bool may_be_absent);

// context_length_exceeded at `name` if a text of this many bytes cannot fit (serving::TextMayFit),
// which keeps the io thread from tokenizing megabytes only to refuse them.
absl::Status CheckTextFits(std::string_view name, size_t bytes, const text::ServedModel& model);

}  // namespace waferline::openai
