#include "server/openai/api_error.h"

#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "server/openai/json_text.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

std::optional<std::string> CodeOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorCodePayload);
  if (!payload) return std::nullopt;
  return std::string(*payload);
}

const char* TypeOf(int http_code) {
  switch (http_code) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 408:
    case 504:
      return "timeout_error";
    case 429:
      return "rate_limit_error";
    case 499:
      return "cancelled_error";
    case 503:
      return "service_unavailable_error";
    default:
      return http_code < 500 ? "invalid_request_error" : "server_error";
  }
}

// What clients look for when the status itself names no code.
const char* DefaultCode(int http_code) {
  switch (http_code) {
    case 401:
      return "invalid_api_key";
    case 429:
      return "rate_limit_exceeded";
    default:
      return nullptr;
  }
}

struct Parts {
  int http_code;
  std::string_view message;
  std::optional<std::string> param;
  std::optional<std::string> code;
};

void AppendStringOrNull(std::string& out, const std::optional<std::string>& text) {
  if (text) {
    AppendQuoted(out, *text);
  } else {
    out += "null";
  }
}

const char* AnthropicTypeOf(int http_code) {
  switch (http_code) {
    case 413:
      return "request_too_large";
    case 503:
      return "overloaded_error";
    default:
      return http_code < 500 || http_code == 504 ? TypeOf(http_code) : "api_error";
  }
}

std::string AnthropicBody(const Parts& parts) {
  std::string out = "{\"type\":\"error\",\"error\":{\"type\":";
  AppendQuoted(out, AnthropicTypeOf(parts.http_code));
  out += ",\"message\":";
  // The words by which clients of this protocol recognise it.
  const bool too_long = parts.code == "context_length_exceeded";
  AppendQuoted(out, absl::StrCat(too_long ? "prompt is too long: " : "", Absl(parts.message)));
  return out + "}}";
}

std::string Body(const Parts& parts, ErrorShape shape) {
  if (shape == ErrorShape::kAnthropic) return AnthropicBody(parts);
  std::string out = shape == ErrorShape::kNested ? "{\"error\":{\"message\":" : "{\"message\":";
  AppendQuoted(out, parts.message);
  out += ",\"type\":";
  AppendQuoted(out, TypeOf(parts.http_code));
  out += ",\"param\":";
  AppendStringOrNull(out, parts.param);
  out += ",\"code\":";
  AppendStringOrNull(out, parts.code);
  out += shape == ErrorShape::kNested ? "}}" : "}";
  return out;
}

}  // namespace

absl::Status FieldError(std::string_view param, std::string_view message) {
  return WithParam(absl::InvalidArgumentError(Absl(message)), param);
}

absl::Status WithCode(absl::Status status, std::string_view code) {
  status.SetPayload(kErrorCodePayload, absl::Cord(Absl(code)));
  return status;
}

absl::Status WithParam(absl::Status status, std::string_view param) {
  return WithField(std::move(status), param);
}

absl::Status ContextExceeded(std::string_view param, int64_t context, std::string_view however) {
  return WithCode(FieldError(param, absl::StrCat("This model's maximum context length is ", context,
                                                 " tokens. However, ", Absl(however))),
                  "context_length_exceeded");
}

int HttpCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
      return 499;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

std::string ErrorBody(const absl::Status& status, ErrorShape shape) {
  const int http_code = HttpCode(status);
  auto code = CodeOf(status);
  if (!code && DefaultCode(http_code) != nullptr) code = DefaultCode(http_code);
  std::optional<std::string> param;
  if (std::string field = FieldOf(status); !field.empty()) param = std::move(field);
  return Body({http_code, Std(status.message()), std::move(param), std::move(code)}, shape);
}

std::string ErrorBody(int http_code, std::string_view message, ErrorShape shape) {
  return Body({http_code, message, std::nullopt, std::nullopt}, shape);
}

}  // namespace waferline::openai
