// One accepted socket: with TLS it completes the handshake and checks the peer's certificate; then
// it reads requests one after the other, gives each to the handler and writes its reply before the
// next is read. While a reply is under way it keeps reading, so that a client that hangs up is
// noticed at once; what a pipelining client sends meanwhile waits in the buffer. A client that only
// ends its sending looks the same until something is sent to it: then the first bytes of its reply,
// or a comment of a stream, tell which of the two it is.
//
// Owner: shared by the server's list and by the operations in flight. Thread: the io thread.
// Bounds: ServerOptions; a peer that overruns a deadline is closed by Tick.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "server/http/handshakes.h"
#include "server/http/http_server.h"
#include "server/http/request_reader.h"

namespace waferline::http {

class Connection {
 public:
  virtual ~Connection() = default;
  virtual void Start() = 0;
  // Called a few times a second: enforces deadlines, writes the comments of quiet streams.
  virtual void Tick(Nanoseconds now) = 0;
  // Hangs up at once.
  virtual void Close() = 0;
  // Since when it waits for a request of which nothing has come; nothing while it does anything
  // else, also a TLS handshake.
  virtual std::optional<Nanoseconds> idle_since() const = 0;
  // Hangs up if the TLS handshake is still under way, for that reason.
  virtual void RefuseHandshake(const tls::Refused& why) = 0;
};

// What the connections of a server share; must outlive them.
struct SharedParts {
  const ServerOptions* options;
  const Handler* handler;
  BodyBudget* bodies;
  Handshakes* handshakes;
};
// `closed` is called once, last.
std::shared_ptr<Connection> MakeConnection(boost::asio::ip::tcp::socket socket,
                                           const SharedParts& shared,
                                           std::function<void(Connection*)> closed);

}  // namespace waferline::http
