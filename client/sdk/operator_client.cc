#include "client/sdk/operator_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/sdk/openai_wire.h"
#include "client/sdk/sse_parser.h"
#include "client/sdk/web_page.h"
#include "wafer_backend/base/notification.h"

namespace waferline::sdk {
namespace {
constexpr size_t kMaxOperatorBytes = 16 << 20;
}  // namespace

absl::Status OperatorClient::Check(const Endpoint& endpoint) {
  if (endpoint.protocol == Endpoint::Protocol::kHttp) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      endpoint.url(), ": operators' commands use HTTP; give the server's http:// address"));
}

absl::StatusOr<std::string> OperatorClient::Get(const std::string& path) {
  return Ask({.method = "GET", .path = path});
}

absl::StatusOr<std::string> OperatorClient::Post(const std::string& path, std::string body) {
  return Ask({.method = "POST", .path = path, .body = std::move(body)});
}

absl::StatusOr<std::string> OperatorClient::Ask(HttpRequest request) {
  std::string answer;
  int code = 0;
  absl::Status end;
  Notification ended;
  HttpHandler handler;
  handler.on_head = [&](int got, const auto&) { code = got; };
  handler.on_bytes = [&](std::string_view bytes) {
    answer.append(bytes);
    return answer.size() <= kMaxOperatorBytes;
  };
  handler.on_end = [&](const absl::Status& status) {
    end = status;
    ended.Notify();
  };
  wire_.Send(std::move(request), std::move(handler));
  ended.Wait();
  if (!end.ok()) return end;
  if (answer.size() > kMaxOperatorBytes) {
    return absl::ResourceExhaustedError("the server's answer is longer than 16 MiB");
  }
  if (code != 200) return ReadError(code, answer);
  if (IsWebPage(answer)) return absl::InternalError(WebPageText(code));
  return answer;
}

absl::Status OperatorClient::Watch(std::function<bool(std::string_view json)> look) {
  SseParser parser;
  std::string refusal;
  int code = 0;
  bool enough = false;
  bool first = true;
  absl::Status end;
  Notification ended;
  HttpHandler handler;
  handler.on_head = [&](int got, const auto&) { code = got; };
  handler.on_bytes = [&](std::string_view bytes) {
    if (std::exchange(first, false) && IsWebPage(bytes)) {
      end = code == 200 ? absl::InternalError(WebPageText(code)) : ReadError(code, bytes);
      return false;
    }
    if (code != 200) {
      refusal.append(bytes);
      return refusal.size() <= kMaxOperatorBytes;
    }
    const absl::Status fed = parser.Feed(bytes, [&](std::string_view data) {
      if (!enough) enough = !look(data);
    });
    if (!fed.ok()) end = fed;
    return !enough && fed.ok();
  };
  handler.on_end = [&](const absl::Status& status) {
    if (end.ok() && !enough) end = status;
    ended.Notify();
  };
  wire_.Send({.method = "GET", .path = "/admin/live", .streams = true}, std::move(handler));
  ended.Wait();
  if (code != 0 && code != 200 && end.ok()) return ReadError(code, refusal);
  return end;
}

}  // namespace waferline::sdk
