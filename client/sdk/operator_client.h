// What operators ask of a waferd over HTTP: its /admin routes, as JSON text. Thread: one at a time;
// every call waits for its answer.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/sdk/endpoint.h"
#include "client/sdk/http_wire.h"

namespace waferline::sdk {

class OperatorClient {
 public:
  // InvalidArgument for a gRPC endpoint: these routes are HTTP's.
  static absl::Status Check(const Endpoint& endpoint);
  explicit OperatorClient(const Endpoint& endpoint) : wire_(endpoint) {}

  // The body of the answer; errors in the server's words. Answers above 16 MiB are refused.
  absl::StatusOr<std::string> Get(const std::string& path);
  absl::StatusOr<std::string> Post(const std::string& path, std::string body);

  // Calls `look` with each snapshot of the cloud (/admin/live), on another thread, until it gives
  // false or the stream ends.
  absl::Status Watch(std::function<bool(std::string_view json)> look);

 private:
  absl::StatusOr<std::string> Ask(HttpRequest request);

  HttpWire wire_;
};

}  // namespace waferline::sdk
