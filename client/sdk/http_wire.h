// HTTP/1.1 exchanges with one server over kept-alive connections, with TLS for https: one thread,
// any number of exchanges at once. A server's certificate must be signed by one that the system
// trusts (or $SSL_CERT_FILE), or by one of Endpoint::ca, and name the host. The only file of the
// clients that knows Beast is its implementation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "client/sdk/endpoint.h"
#include "wafer_backend/base/units.h"

namespace waferline::sdk {

struct HttpRequest {
  std::string method;
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;           // application/json if not empty
  bool streams = false;       // its answer may pause for Patience::stream, not Patience::answer
  Nanoseconds read_pause{0};  // after each read of kSlowReadBytes of the answer
};

// Called on the wire's thread, in this order.
struct HttpHandler {
  // `header` gives the value of a header field, "" if it is not there; valid during the call.
  std::function<void(int code, const std::function<std::string(std::string_view)>& header)> on_head;
  // False: the handler has all that it needs, and is not called again. The exchange ends as OK at
  // the end of the body or after kAfterEnough, whichever is first: a server that keeps its body
  // open does not delay the client.
  std::function<bool(std::string_view bytes)> on_bytes;
  // Exactly once. OK: the answer is complete. Unavailable: no connection, or it broke.
  // DeadlineExceeded: nothing came for as long as Endpoint::patience says. Cancelled.
  std::function<void(const absl::Status&)> on_end;
};

class HttpWire {
 public:
  static constexpr Nanoseconds kAfterEnough = Milliseconds(20);
  // Informational responses (1xx) before an answer; more are an error.
  static constexpr int kMaxInformational = 16;

  class Exchange {
   public:
    virtual ~Exchange() = default;
    virtual void Cancel() = 0;  // any thread
  };

  explicit HttpWire(Endpoint endpoint);
  ~HttpWire();  // waits for every exchange
  HttpWire(const HttpWire&) = delete;
  HttpWire& operator=(const HttpWire&) = delete;

  // Any thread; does not wait. A kept connection that the server has closed meanwhile is replaced
  // by a new one, once.
  std::shared_ptr<Exchange> Send(HttpRequest request, HttpHandler handler);

  const Endpoint& endpoint() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace waferline::sdk
