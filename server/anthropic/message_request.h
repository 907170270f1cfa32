// Bodies of /v1/messages and /v1/messages/count_tokens (Anthropic's Messages API), read into what
// the engine can take: a chat under other names. Pure: no I/O, no clock; any thread. Errors as in
// server/openai/request.h, in the names of this protocol.
#pragma once

#include <string>
#include <string_view>

#include "server/openai/request.h"

namespace waferline::anthropic {

absl::StatusOr<openai::ParsedRequest> ParseMessages(std::string_view body,
                                                    const openai::Envelope& envelope,
                                                    const text::ModelCatalog& catalog);

// {"input_tokens": N}: of the prompt that the same body is for ParseMessages, also where it is
// longer than the context.
absl::StatusOr<std::string> CountTokens(std::string_view body, const text::ModelCatalog& catalog,
                                        int64_t unix_seconds);

}  // namespace waferline::anthropic
