// Rules of every protocol with tools: names, schemas of arguments, which tools may be called,
// ids of calls. Pure functions; any thread.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/text/chat_template.h"
#include "wafer_backend/compute/grammar/compiler.h"
#include "wafer_backend/compute/grammar/tool_calls.h"

namespace waferline::text {

inline constexpr size_t kMaxTools = 128;
inline constexpr size_t kMaxFunctionNameBytes = 64;  // OpenAI's

// Letters, digits, '_', '-' and '.'; from one to kMaxFunctionNameBytes of them.
bool IsFunctionName(std::string_view name);

// What arguments follow: an object, also where `parameters`, which may be null, leaves that out.
// None if it is the schema of something else.
std::optional<boost::json::value> SchemaOfArguments(const boost::json::object* parameters);

// Leaves the tool of that name, which must then be called, once. False: there is none.
bool ForceTool(std::string_view name, grammar::ToolCalls* calls);

// Which message is a tool's result of a call that no message before it makes; none if there is no
// such message. A result without tool_call_id is one of any call.
std::optional<size_t> ResultOfNoCall(std::span<const ChatMessage> messages);
inline constexpr std::string_view kResultOfNoCall =
    "is a tool's result of no call before it: send the assistant's message with that call in its "
    "tool_calls, too";

// What the answer is held to: calls in the model's form, and `answer`, which holds answers without
// a call. Unimplemented if the model's form is not read here.
absl::StatusOr<grammar::GrammarSpec> SpecOfCalls(grammar::ToolCalls calls,
                                                 std::optional<grammar::GrammarSpec> answer,
                                                 const ChatTemplate& chat);

// The same in every answer to the same request, and in no other call of it.
struct CallPlace {
  std::string_view request_id;
  size_t choice = 0;
  int call = 0;
};
std::string CallId(const grammar::ToolCallForm& form, const CallPlace& place);

}  // namespace waferline::text
