// Calls in answers: chunks of a stream, and the message of a document. Pure functions.
#pragma once

#include <string>

#include "server/openai/response_shape.h"
#include "server/text/tool_call_reader.h"

namespace waferline::openai {

// A call's id: the same in every answer to the same request, and in no other call of it.
std::string CallId(const ResponseShape& shape, size_t choice, int call);

// ,"delta":{...} of one part; `call` counts from 0.
void AppendPart(std::string& out, const ResponseShape& shape, size_t choice, int call,
                const text::ToolCallReader::Part& part);

// ,"message":{...} of all that was generated. Returns whether there are calls, all of
// them whole.
bool AppendCallMessage(std::string& out, const ResponseShape& shape, size_t choice,
                       const Delta& generated);

// "tool_calls" or "function_call" where the model stopped after whole calls; "stop" where a stop
// string cut one short, with arguments that are not JSON.
const char* CallFinishReason(const ResponseShape& shape, FinishReason reason, bool whole_calls);

}  // namespace waferline::openai
