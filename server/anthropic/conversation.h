// The conversation of a request to /v1/messages as a chat's messages. Pure functions; any thread.
// Bounds: serving::kMaxMessages messages, kMaxContentParts blocks a message.
//
// Blocks of text of one message, and messages of one role that follow each other, are joined by a
// line end. A tool's result that is an error begins with "Error: ", since templates have no mark
// for it.
#pragma once

#include <boost/json/array.hpp>

#include "server/openai/fields.h"

namespace waferline::anthropic {

// `system` and `messages` of the body. InvalidArgument names the block: a kind that is not read
// here, a result of a tool that was not used, a last message that is not the user's.
boost::json::array ReadConversation(openai::Fields& fields);

}  // namespace waferline::anthropic
