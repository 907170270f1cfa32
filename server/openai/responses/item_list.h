// A stored response's input as items again: what a client sees of the conversation that it
// answered, without instructions. Pure; any thread.
#pragma once

#include <boost/json/object.hpp>
#include <vector>

#include "server/openai/responses/response_store.h"

namespace waferline::openai {

// Oldest first, each with an id that is its own within the response.
std::vector<boost::json::object> InputItemsOf(const StoredResponse& response);

}  // namespace waferline::openai
