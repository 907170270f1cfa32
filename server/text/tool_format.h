// How a model writes calls of functions, found by the marks of its chat template, or chosen by
// name. Pure functions.
//
// Known formats, each after the templates that their makers publish with the models:
//   hermes        <tool_call> and JSON (Hermes, Qwen 2.5 and 3); also where the template takes no
//                 tools: then by a system message of ours
//   llama3_json   JSON alone (Llama 3)
//   mistral       [TOOL_CALLS] and a JSON list; mistral_args: [TOOL_CALLS] name [ARGS] JSON
//   deepseek_v3   marks with fullwidth bars, and JSON in a code block (V3, R1); deepseek_v31: JSON
//                 alone
//   granite       <|tool_call|> and a JSON list (Granite 3)
//   qwen3_coder   <function=NAME> with a <parameter=NAME> each
//   glm           name, <arg_key> and <arg_value> (GLM 4.5)
//   pythonic      [f(a=1)] (Llama 3.2 and 4, prompted so); lfm2: the same between marks (LFM2)
//   gpt_oss       a message to functions.NAME in the channel commentary (gpt-oss)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/tool_calls.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::text {

// Whether the template writes tools itself.
bool TakesTools(std::string_view template_source);

// Unimplemented names a format that is not read here.
absl::StatusOr<grammar::ToolCallForm> ToolFormOf(std::string_view template_source,
                                                 const model::Tokenizer& tokenizer);

// One of ToolFormNames(). NotFound lists them; Unimplemented if the vocabulary has no token that it
// needs.
absl::StatusOr<grammar::ToolCallForm> ToolFormNamed(std::string_view name,
                                                    const model::Tokenizer& tokenizer);
std::vector<std::string> ToolFormNames();

}  // namespace waferline::text
