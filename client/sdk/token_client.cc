#include "client/sdk/token_client.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/notification.h"

namespace waferline::sdk {
namespace {

constexpr const char* kUntrusted = "certificate verify failed";  // of OpenSSL
constexpr char kTransport[] = "waferline/transport";

absl::Status OfTransport(const std::string& message) {
  absl::Status status = absl::UnavailableError(message);
  status.SetPayload(kTransport, absl::Cord());
  return status;
}

}  // namespace

std::unique_ptr<TokenClient> MakeClient(const Endpoint& endpoint) {
  return endpoint.protocol == Endpoint::Protocol::kGrpc ? MakeGrpcClient(endpoint)
                                                        : MakeHttpClient(endpoint);
}

Ending Run(TokenClient& client, const GenerateSpec& spec,
           std::function<void(const Piece&)> on_piece,
           std::function<void(std::shared_ptr<TokenClient::Call>)> started) {
  Ending result;
  Notification ended;
  auto call =
      client.Start(spec, {.on_piece = std::move(on_piece), .on_end = [&](const Ending& ending) {
                            result = ending;
                            ended.Notify();
                          }});
  if (started) started(call);
  ended.Wait();
  return result;
}

absl::Status NoTls(const Endpoint& endpoint, const std::string& reason) {
  return OfTransport(absl::StrCat("no TLS connection to ", endpoint.url(), ": ", reason));
}

absl::Status ConnectionLost(const Endpoint& endpoint, const std::string& reason) {
  return OfTransport(absl::StrCat("lost the connection to ", endpoint.url(), ": ", reason));
}

bool IsOfTransport(const absl::Status& status) { return status.GetPayload(kTransport).has_value(); }

absl::Status ServerUnreachable(const Endpoint& endpoint, const std::string& reason) {
  if (reason.find(kUntrusted) != std::string::npos) return NoTls(endpoint, reason);
  return OfTransport(
      absl::StrCat("no answer from ", endpoint.url(), ": ", reason,
                   "; is waferd running? Try `make serve`, or name a server with --server URL"));
}

absl::Status ServerSilent(const Endpoint& endpoint, Nanoseconds patience) {
  return absl::DeadlineExceededError(absl::StrCat(
      endpoint.url(), " takes connections, but has said nothing for ", ToSeconds(patience),
      " s: it may be stopped, overloaded, or no such server. Name another with --server URL, or "
      "wait longer with --timeout SECONDS"));
}

}  // namespace waferline::sdk
