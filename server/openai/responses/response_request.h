// Bodies of /v1/responses, read into what the engine can take: the same fields as a chat's under
// other names, and the conversation that `previous_response_id` stands for. Errors as in
// request.h, in the names of this protocol.
#pragma once

#include <string_view>

#include "server/openai/request.h"
#include "server/openai/responses/response_store.h"

namespace waferline::openai {

// `store` must outlive the answer. Calls it on the thread that writes the answer.
absl::StatusOr<ParsedRequest> ParseResponse(std::string_view body, const Envelope& envelope,
                                            const text::ModelCatalog& catalog,
                                            ResponseStore* store);

}  // namespace waferline::openai
