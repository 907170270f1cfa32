// The reading half of a connection: one request after the other, and between a request and its
// reply's end whatever the peer sends ahead, so that a hang-up is noticed at once.
//
//   kIdle -> kHeader -> kBody -> kAhead <-> kAheadFull -> (reply complete) kIdle or kLingering
//              |          |        \--> kPeerDone -------> (reply complete) kHeader or the end
//              +----------+--> kTimedOut, kRefused -> (reply complete) kLingering
//
// A request is checked when its head is here (head_rules.h, ServerOptions::admit); one that is
// refused then has no body read. A peer that sends no more may still read: its request is answered.
//
// Owner: one connection, which its operations keep alive. Thread: io. Bounds: ServerOptions for
// sizes and times; kReadAheadBytes of pipelined requests; BodyBudget for all bodies together.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/exchange.h"
#include "server/http/head_rules.h"
#include "server/http/head_scan.h"
#include "server/http/http_server.h"
#include "server/http/stream.h"
#include "wafer_backend/base/units.h"

namespace waferline::http {

// The memory that bodies may take, of all connections of a server together. Thread: io.
class BodyBudget {
 public:
  explicit BodyBudget(size_t bytes) : left_(bytes) {}
  bool Take(size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void Release(size_t bytes) { left_ += bytes; }

 private:
  size_t left_;
};

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
  // No valid request, one over a limit, or one that is refused by its head (`request` is then
  // filled). After the reply the connection must Linger.
  virtual void OnBadRequest(Request request, Reply reply) = 0;
  // The client waits for "100 Continue" before it sends the body. Comes on its own, before
  // OnRequest.
  virtual void OnContinueAwaited() = 0;
  // A reply is under way, and the peer sends no more. It may be gone, or wait for the reply.
  virtual void OnPeerDone() = 0;
  // The peer has closed, or a deadline passed that has no reply.
  virtual void OnReadEnd() = 0;
  // Keeps the connection alive while a read is under way.
  virtual std::shared_ptr<void> KeepAlive() = 0;
};

class RequestReader {
 public:
  // All must outlive the reader.
  RequestReader(Stream* stream, const ServerOptions* options, BodyBudget* budget,
                ReaderEvents* events);
  ~RequestReader() { ReleaseBody(); }

  // `peer` goes into every request.
  void Start(Peer peer);
  // The reply is complete: reads the next request.
  void Next();
  // The reply was the last: says so to the peer and waits a little for it to close.
  void Linger();
  // The connection is closed: nothing is reported any more.
  void Stop();
  void Tick(Nanoseconds now);
  // Since when the first byte of a request is awaited, if it is.
  std::optional<Nanoseconds> idle_since() const {
    // A lone '\r' is not a request yet.
    return state_ == State::kIdle && buffer_.size() <= 1 ? idle_since_ : std::nullopt;
  }

 private:
  enum class State {
    kIdle,       // waits for the first byte of a request; a read is under way
    kHeader,     // reads a header
    kBody,       // reads a body
    kAhead,      // the request has been reported; a read is under way
    kAheadFull,  // the same, but the buffer is full and nothing is read
    kPeerDone,   // the same, but there is nothing more to read
    kTimedOut,   // the read of a header or body has been cancelled and is about to end
    kRefused,    // a bad request has been reported; nothing is read
    kLingering,  // drops what comes
    kStopped,
  };
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  std::string_view Buffered() const;
  void BeginIdle();
  void ReadSome();
  void OnRead(boost::system::error_code error);
  void Proceed();
  void BeginHeader();
  void ReadHeader();
  void OnHeader(size_t size);
  std::optional<HeadFault> TakeHead();
  bool ReserveBody();
  void ReleaseBody();
  void ReadBody();
  void OnBody(boost::system::error_code error);
  void Refuse(HeadFault fault);
  void Refuse(Reply reply);
  void RefuseUnparsed(boost::system::error_code error);
  void Report();
  void Discard();

  Stream* const stream_;
  const ServerOptions& options_;
  ReaderEvents* const events_;
  State state_ = State::kIdle;
  BodyBudget& budget_;
  boost::beast::flat_buffer buffer_;
  HeadScan scan_;
  Peer peer_;
  bool peer_done_ = false;  // nothing more will come
  std::optional<Parser> parser_;
  Request request_;                        // under way; whole when it is reported
  ReplyRules rules_;                       // of it
  size_t reserved_bytes_ = 0;              // of the budget, until the reply is complete
  std::optional<Nanoseconds> idle_since_;  // in kIdle
  std::optional<Nanoseconds> deadline_;
};

}  // namespace waferline::http
