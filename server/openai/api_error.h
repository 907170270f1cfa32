// How a failure looks to an HTTP client. A failure travels as absl::Status; what OpenAI's error
// body says beyond a message (which field, which code) rides on it as payloads. This is the one
// place that turns Status into HTTP codes. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace waferline::openai {

// A request that is wrong in `param` ("messages[1].content"); `message` says what would be right.
absl::Status FieldError(std::string_view param, std::string_view message);

// The same with a `code` that clients compare ("context_length_exceeded", "model_not_found").
absl::Status WithCode(absl::Status status, std::string_view code);
absl::Status WithParam(absl::Status status, std::string_view param);
// context_length_exceeded at `param`, in the words by which clients recognise it: "This model's
// maximum context length is 512 tokens. However, your messages resulted in ...".
absl::Status ContextExceeded(std::string_view param, int64_t context, std::string_view however);

// InvalidArgument, OutOfRange, FailedPrecondition, Unimplemented 400; Unauthenticated 401;
// PermissionDenied 403; NotFound 404; ResourceExhausted 429; Cancelled and Aborted 499;
// Unavailable 503; DeadlineExceeded 504; everything else 500. `status` must not be OK.
int HttpCode(const absl::Status& status);

// kNested: {"error": {message, type, param, code}}, OpenAI's. kFlat: the four at the top level, as
// Cerebras sends them. kAnthropic: {"type": "error", "error": {type, message}}, with its types.
enum class ErrorShape { kNested, kFlat, kAnthropic };
std::string ErrorBody(const absl::Status& status, ErrorShape shape = ErrorShape::kNested);

// The same body for what HTTP itself refuses (404 of a route, 405, 408, 413).
std::string ErrorBody(int http_code, std::string_view message,
                      ErrorShape shape = ErrorShape::kNested);

}  // namespace waferline::openai
