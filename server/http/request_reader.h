// The reading half of a connection: one request after the other, and between a request and its
// reply's end whatever the peer sends ahead, so that a hang-up is noticed at once.
//
//   kIdle -> kHeader -> kBody -> kAhead <-> kAheadFull -> (reply complete) kIdle or kLingering
//              |          |
//              +----------+--> kTimedOut, kRefused -> (reply complete) kLingering
//
// Owner: one connection, which its operations keep alive. Thread: io. Bounds: ServerOptions for
// sizes and times; kReadAheadBytes of pipelined requests.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/exchange.h"
#include "server/http/http_server.h"
#include "wafer_backend/base/units.h"

namespace waferline::http {

// What a request says about how its reply is written.
struct ReplyRules {
  bool keep_alive = true;
  bool http_1_0 = false;  // knows no chunks
  bool is_head = false;   // wants no body
};

// What a reader reports; at most one call for each completed read or Tick.
class ReaderEvents {
 public:
  virtual ~ReaderEvents() = default;
  virtual void OnRequest(Request request, const ReplyRules& rules) = 0;
  // No valid request, or one over a limit: the reply's code and message. After that reply the
  // connection must Linger.
  virtual void OnBadRequest(int code, const std::string& message) = 0;
  // The client waits for "100 Continue" before it sends the body. Comes on its own, before
  // OnRequest.
  virtual void OnContinueAwaited() = 0;
  // The peer has closed, or a deadline passed that has no reply.
  virtual void OnReadEnd() = 0;
  // Keeps the connection alive while a read is under way.
  virtual std::shared_ptr<void> KeepAlive() = 0;
};

class RequestReader {
 public:
  // All must outlive the reader.
  RequestReader(boost::asio::ip::tcp::socket* socket, const ServerOptions* options,
                ReaderEvents* events);

  void Start();
  // The reply is complete: reads the next request.
  void Next();
  // The reply was the last: says so to the peer and waits a little for it to close.
  void Linger();
  // The connection is closed: nothing is reported any more.
  void Stop();
  void Tick(Nanoseconds now);

 private:
  enum class State {
    kIdle,       // waits for the first byte of a request; a read is under way
    kHeader,     // reads a header
    kBody,       // reads a body
    kAhead,      // the request has been reported; a read is under way
    kAheadFull,  // the same, but the buffer is full and nothing is read
    kTimedOut,   // the read of a header or body has been cancelled and is about to end
    kRefused,    // a bad request has been reported; nothing is read
    kLingering,  // drops what comes
    kStopped,
  };
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void ReadSome();
  void Proceed();
  void ReadHeader();
  void ReadBody();
  void ReadFailed(boost::system::error_code error);
  void Refuse(int code, const std::string& message);
  void Report();
  void Discard();

  boost::asio::ip::tcp::socket* const socket_;
  const ServerOptions& options_;
  ReaderEvents* const events_;
  State state_ = State::kIdle;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<Nanoseconds> deadline_;
};

// The path of a request's target ("/v1/models/a%2Fb?x=1" -> "/v1/models/a/b"); with an escape that
// is not valid, as it was sent.
std::string PathOf(std::string_view target);

}  // namespace waferline::http
