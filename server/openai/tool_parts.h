// Calls in answers: chunks of a stream, and the message of a document. Pure functions.
#pragma once

#include <string>

#include "server/openai/response_shape.h"
#include "server/text/tool_call_reader.h"

namespace waferline::openai {

// A call's id: the same in every answer to the same request, and in no other call of it.
std::string CallId(const ResponseShape& shape, size_t choice, int call);

struct CallIndex {
  size_t choice = 0;
  int call = 0;  // of the choice, from 0
};

// ,"delta":{...} of one part.
void AppendPart(std::string& out, const ResponseShape& shape, CallIndex index,
                const text::ToolCallReader::Part& part);

// ,"message":{...} of all that was generated. Returns whether there are calls, all of
// them whole.
bool AppendCallMessage(std::string& out, const ResponseShape& shape, size_t choice,
                       const Delta& generated);

// "tool_calls" or "function_call" where the model stopped after whole calls; "stop" where one of
// the request's stop_token_ids cut one short, with arguments that are not JSON.
const char* CallFinishReason(const ResponseShape& shape, FinishReason reason, bool whole_calls);

}  // namespace waferline::openai
