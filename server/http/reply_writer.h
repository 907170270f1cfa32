// The writing half of a connection: one reply after the other, framed as its request wants it.
//
//   kIdle -> Begin: kDue -> StartStream: kStreaming -> End: kEnding -> (all with the socket) kIdle
//                      \--- Send, End ------------------^
//
// Owner: one connection, which its operations keep alive. Thread: io. Bounds: what is written and
// not yet sent grows until the caller stops at unsent_bytes; a peer that takes nothing for
// write_timeout ends the connection. Cost: Write costs a chunk's framing into a buffer and, if no
// write is under way, one system call and one look at the clock.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/exchange.h"
#include "server/http/http_server.h"
#include "server/http/request_reader.h"
#include "server/http/stream.h"
#include "wafer_backend/base/units.h"

namespace waferline::http {

class WriterEvents {
 public:
  virtual ~WriterEvents() = default;
  // The socket has taken the last byte of a reply.
  virtual void OnReplySent(bool keep_alive) = 0;
  // The peer reads nothing more.
  virtual void OnWriteEnd() = 0;
  // Keeps the connection alive while a write is under way.
  virtual std::shared_ptr<void> KeepAlive() = 0;
};

class ReplyWriter {
 public:
  // All must outlive the writer.
  ReplyWriter(Stream* stream, const ServerOptions* options, WriterEvents* events)
      : stream_(stream), options_(*options), events_(events) {}

  // "100 Continue", before Begin.
  void SendContinue();
  // Sends what changes no reply, so that a peer that has closed answers with a reset: the first
  // bytes of the head, which all heads share, or a stream's comment.
  void Probe();
  // A reply is due; then Send and End, or StartStream, Write* and End. `extra` headers go first.
  void Begin(const ReplyRules& rules);
  void Send(const Reply& reply, const Headers& extra);
  void StartStream(const Reply& head, const Headers& extra, std::string idle_comment);
  void Write(std::string_view bytes);
  void End();
  // The connection is closed: nothing is reported any more.
  void Stop();
  void Tick(Nanoseconds now);

  int code() const { return code_; }  // of the reply under way
  size_t unsent_bytes() const { return out_.size() + in_flight_.size(); }
  // Called each time everything written has been sent, until the reply ends.
  void OnDrained(std::function<void()> drained) { drained_ = std::move(drained); }

 private:
  enum class State { kIdle, kDue, kStreaming, kEnding, kStopped };
  // How a body is framed. kNone: no bytes follow the head, or none but those Send wrote.
  enum class Body { kNone, kChunked, kUntilClose };

  void AppendHead(const Reply& reply, const Headers& extra, std::optional<size_t> length);
  void Flush();
  void Written();

  Stream* const stream_;
  const ServerOptions& options_;
  WriterEvents* const events_;
  State state_ = State::kIdle;
  ReplyRules rules_;
  Body body_ = Body::kNone;
  int code_ = 0;
  bool head_begun_ = false;  // by Probe
  std::function<void()> drained_;
  std::string idle_comment_;
  std::string out_;        // not yet given to the socket
  std::string in_flight_;  // of the write under way; empty: there is none
  Nanoseconds last_write_;
  std::optional<Nanoseconds> deadline_;
};

}  // namespace waferline::http
