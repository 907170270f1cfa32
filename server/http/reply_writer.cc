#include "server/http/reply_writer.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "server/http/response_head.h"
#include "wafer_backend/base/check.h"

namespace waferline::http {

using boost::system::error_code;

namespace {
constexpr std::string_view kHeadStart = "HTTP/1.1 ";
}  // namespace

void ReplyWriter::SendContinue() {
  out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  Flush();
}

void ReplyWriter::Probe() {
  if (state_ == State::kDue && !std::exchange(head_begun_, true)) {
    out_ += kHeadStart;
    Flush();
  }
  if (state_ == State::kStreaming) Write(idle_comment_);
}

void ReplyWriter::Begin(const ReplyRules& rules) {
  state_ = State::kDue;
  rules_ = rules;
  body_ = Body::kNone;
}

void ReplyWriter::Send(const Reply& reply, const Headers& extra) {
  AppendHead(reply, extra, reply.body.size());
  if (!rules_.is_head) out_ += reply.body;
}

void ReplyWriter::StartStream(const Reply& head, const Headers& extra, std::string idle_comment) {
  state_ = State::kStreaming;
  body_ = rules_.http_1_0 ? Body::kUntilClose : Body::kChunked;
  if (rules_.http_1_0) rules_.keep_alive = false;
  idle_comment_ = std::move(idle_comment);
  AppendHead(head, extra, std::nullopt);
  if (rules_.is_head) body_ = Body::kNone;
  Flush();
}

void ReplyWriter::AppendHead(const Reply& reply, const Headers& extra,
                             std::optional<size_t> length) {
  code_ = reply.code;
  std::string head = ResponseHead({.code = reply.code,
                                   .content_type = reply.content_type,
                                   .headers = {&extra, &reply.headers},
                                   .content_length = length,
                                   .chunked = body_ == Body::kChunked,
                                   .keep_alive = rules_.keep_alive,
                                   .unix_seconds = options_.clock.unix_seconds()});
  WL_CHECK(head.starts_with(kHeadStart));
  if (std::exchange(head_begun_, false)) head.erase(0, kHeadStart.size());
  out_ += head;
}

void ReplyWriter::Write(std::string_view bytes) {
  if (bytes.empty() || body_ == Body::kNone) return;
  if (body_ == Body::kChunked) {
    AppendChunk(out_, bytes);
  } else {
    out_ += bytes;
  }
  Flush();
}

void ReplyWriter::End() {
  if (body_ == Body::kChunked) out_ += kLastChunk;
  state_ = State::kEnding;
  idle_comment_.clear();
  drained_ = nullptr;
  if (unsent_bytes() == 0) return Written();
  Flush();
}

void ReplyWriter::Stop() {
  state_ = State::kStopped;
  deadline_.reset();
  drained_ = nullptr;
}

void ReplyWriter::Tick(Nanoseconds now) {
  if (deadline_ && now >= *deadline_) return events_->OnWriteEnd();
  const bool quiet = state_ == State::kStreaming && in_flight_.empty() &&
                     now - last_write_ >= options_.keep_alive_interval;
  if (quiet) Write(idle_comment_);
}

void ReplyWriter::Flush() {
  if (!in_flight_.empty() || out_.empty() || state_ == State::kStopped) return;
  last_write_ = options_.clock.monotonic();
  deadline_ = last_write_ + options_.write_timeout;
  in_flight_.swap(out_);
  boost::asio::async_write(*stream_, boost::asio::buffer(in_flight_),
                           [this, alive = events_->KeepAlive()](error_code error, size_t) {
                             in_flight_.clear();
                             deadline_.reset();
                             if (state_ == State::kStopped) return;
                             if (error) return events_->OnWriteEnd();
                             Written();
                           });
}

void ReplyWriter::Written() {
  if (!out_.empty()) return Flush();
  if (state_ == State::kEnding) {
    state_ = State::kIdle;
    return events_->OnReplySent(rules_.keep_alive);
  }
  if (!drained_) return;
  const auto drained = drained_;  // it may replace itself
  drained();
}

}  // namespace waferline::http
