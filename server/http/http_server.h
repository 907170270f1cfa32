// Listens on one address and hands each request to a handler. HTTP/1.1 (and 1.0), keep-alive,
// pipelined requests answered in order, chunked streams.
//
// Owner: server/app. Thread: Start, Stop and Post from any thread; the handler and everything it
// is given run on the server's own io thread, which must not be blocked.
// Errors: Start gives Unavailable if the address cannot be bound (in use, not ours).
// Bounds: ServerOptions. A request over them is refused with 413, 431, 408 or 503, a connection
// over the limit takes the place of the one that has waited longest for its next request, or for
// its first; if all are at work it gets 503 (with TLS it is closed).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/http/exchange.h"
#include "server/openai/api_error.h"
#include "server/serving/server_deps.h"
#include "wafer_backend/base/tls/credentials.h"
#include "wafer_backend/base/units.h"

namespace waferline::http {

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;  // 0: the system chooses
  size_t max_header_bytes = 16 * 1024;
  size_t max_body_bytes = 4 * 1024 * 1024;
  size_t max_connections = 1024;
  Nanoseconds idle_timeout = Seconds(75);         // between requests of one connection
  Nanoseconds header_timeout = Seconds(10);       // first byte to the end of the header
  Nanoseconds body_timeout = Seconds(30);         // end of the header to the end of the body
  Nanoseconds write_timeout = Seconds(30);        // the reader takes nothing for so long
  Nanoseconds keep_alive_interval = Seconds(15);  // comments while a stream is quiet
  serving::HostClock clock;
  // TLS for this door; null: plain. At most max_handshakes are under way at once: then the oldest
  // is closed if it is older than a second, else accepting waits.
  std::shared_ptr<tls::Credentials> tls;
  tls::Door door = tls::Door::kHttp;
  Nanoseconds handshake_timeout = Seconds(5);
  size_t max_handshakes = 64;
  // Called on the io thread for each handshake that failed, with "host:port" of the peer.
  std::function<void(const tls::Refused& refused, const std::string& peer)> on_refused;
  // Bodies of all requests together, from their heads to the ends of their replies.
  size_t max_bodies_bytes = 256 * 1024 * 1024;
  // Asked on the io thread about each request with a body, before the body is read; `request` has
  // all but the body. A reply refuses it.
  std::function<std::optional<Reply>(const Request& request)> admit;
  // The shape of errors about a request that no route sees; nested if this is not set.
  std::function<openai::ErrorShape(const Request& request)> error_shape;
  // Called on the io thread about ten times a second, with the monotonic clock.
  std::function<void(Nanoseconds now)> on_tick;
  // Called on the io thread when a reply is complete, or with 499 if the client was gone before.
  std::function<void(const Request& request, int code, Nanoseconds lasted)> on_reply;
};

class HttpServer {
 public:
  HttpServer(ServerOptions options, Handler handler);
  ~HttpServer();  // Stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Binds, listens and starts the io thread; gives the port.
  absl::StatusOr<uint16_t> Start();

  // Takes no new connections from now on; those that are there live on and their requests are
  // answered.
  void StopAccepting();
  // Closes what is left and ends the io thread. Idempotent.
  void Stop();

  // Runs `task` on the io thread, soon. Tasks posted after Stop are dropped.
  void Post(std::function<void()> task);
  // The same after `delay`; on the io thread.
  void PostAfter(Nanoseconds delay, std::function<void()> task);

  // Connections open now.
  size_t connections() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace waferline::http
