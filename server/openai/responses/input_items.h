// The conversation of a response: its input items as a chat's messages. Pure functions; any thread.
// Bounds: serving::kMaxMessages items, kMaxContentParts parts an item.
#pragma once

#include <boost/json/array.hpp>

#include "absl/status/status.h"
#include "server/openai/fields.h"

namespace waferline::openai {

// Appends what `input` says to `messages`, which holds the conversation so far. Text that an
// assistant says and the calls that follow it are one message, with the reasoning before them.
// InvalidArgument names the item: a kind that is not read
// here, an output of a call that nothing called.
absl::Status AppendInput(Fields& fields, boost::json::array* messages);

}  // namespace waferline::openai
