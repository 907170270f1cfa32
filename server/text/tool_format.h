// How a model writes calls of functions, found by the marks of its chat template. Pure functions.
//
// Known: hermes (Qwen, Hermes: <tool_call> and JSON), llama3_json (Llama 3: JSON alone), mistral
// ([TOOL_CALLS] and a JSON list; needs that control token). Templates without tools get hermes, by
// a system message of ours.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/tool_calls.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::text {

// Whether the template writes tools itself.
bool TakesTools(std::string_view template_source);

// Unimplemented names a format that is not read here.
absl::StatusOr<grammar::ToolCallForm> ToolFormOf(std::string_view template_source,
                                                 const model::Tokenizer& tokenizer);

}  // namespace waferline::text
