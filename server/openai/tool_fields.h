// What a chat says of tools: `tools`, `tool_choice`, `parallel_tool_calls`, and the older
// `functions` and `function_call`. Pure functions; any thread. Bounds: text::kMaxTools tools.
#pragma once

#include <boost/json/array.hpp>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/openai/constraint_fields.h"
#include "server/openai/fields.h"
#include "server/text/served_model.h"
#include "wafer_backend/compute/grammar/tool_calls.h"

namespace waferline::openai {

struct ToolRequest {
  boost::json::array tools;  // for the template; empty if none may be called
  grammar::ToolCalls calls;  // without their form
  bool legacy = false;       // asked for by `functions`: answers have function_call
  std::string path;          // of the field, for errors
};

// Tools that may be called; none if there are none, or tool_choice is none.
ToolRequest ReadTools(Fields& fields);

// The answer's constraint: calls in the model's form, and `answer`, what the request asks of other
// answers. Unimplemented if the model's form is not read here.
absl::StatusOr<ConstraintField> ConstrainCalls(const ToolRequest& request,
                                               std::optional<ConstraintField> answer,
                                               const text::ServedModel& model);

}  // namespace waferline::openai
