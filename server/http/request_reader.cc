#include "server/http/request_reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/http/gzip.h"
#include "server/openai/api_error.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

constexpr size_t kReadAheadBytes = 16 * 1024;
// After the last reply the peer may still be sending; reading a little of it lets the reply arrive
// instead of a reset.
constexpr Nanoseconds kLinger = Seconds(2);

std::string ToString(beast::string_view text) { return {text.data(), text.size()}; }

std::string Lower(beast::string_view text) {
  return absl::AsciiStrToLower({text.data(), text.size()});
}

// False: the peer is gone, no one reads an answer.
bool IsFaultOfRequest(error_code error) {
  using Fault = beast::http::error;
  return error.category() == beast::http::make_error_code(Fault::bad_method).category() &&
         error != Fault::end_of_stream && error != Fault::partial_message;
}

}  // namespace

RequestReader::RequestReader(Stream* stream, const ServerOptions* options, BodyBudget* budget,
                             ReaderEvents* events)
    : stream_(stream),
      options_(*options),
      events_(events),
      budget_(*budget),
      buffer_(options->max_header_bytes + 64 * 1024) {}

void RequestReader::Start(Peer peer) {
  peer_ = std::move(peer);
  BeginIdle();
  ReadSome();
}

void RequestReader::BeginIdle() {
  state_ = State::kIdle;
  idle_since_ = options_.clock.monotonic();
  deadline_ = *idle_since_ + options_.idle_timeout;
}

void RequestReader::Next() {
  ReleaseBody();
  const bool is_reading = state_ == State::kAhead;
  if (peer_done_ && buffer_.size() == 0) return events_->OnReadEnd();
  if (buffer_.size() > 0 && !is_reading) return BeginHeader();
  BeginIdle();
  error_code ignored;
  // The next request is here already: the read ends and goes on with it. (The reply has been
  // written, so no write is cancelled.)
  if (buffer_.size() > 0) stream_->socket().cancel(ignored);
}

void RequestReader::Linger() {
  ReleaseBody();
  if (peer_done_) return events_->OnReadEnd();
  const bool is_reading = state_ == State::kAhead;
  state_ = State::kLingering;
  deadline_ = options_.clock.monotonic() + kLinger;
  stream_->EndSending(events_->KeepAlive());
  if (!is_reading) Discard();
}

void RequestReader::Stop() {
  state_ = State::kStopped;
  deadline_.reset();
  ReleaseBody();
}

void RequestReader::Tick(Nanoseconds now) {
  if (!deadline_ || now < *deadline_) return;
  deadline_.reset();
  if (state_ != State::kHeader && state_ != State::kBody) return events_->OnReadEnd();
  state_ = State::kTimedOut;
  error_code ignored;
  stream_->socket().cancel(ignored);
}

std::string_view RequestReader::Buffered() const {
  return {static_cast<const char*>(buffer_.data().data()), buffer_.size()};
}

// In kIdle, kHeader and kAhead.
void RequestReader::ReadSome() {
  if (peer_done_) return events_->OnReadEnd();  // the request will not become whole
  stream_->async_read_some(buffer_.prepare(4096),
                           [this, alive = events_->KeepAlive()](error_code error, size_t size) {
                             if (state_ == State::kStopped) return;
                             buffer_.commit(size);
                             OnRead(error);
                           });
}

void RequestReader::OnRead(error_code error) {
  if (error == asio::error::eof && state_ == State::kAhead) {
    peer_done_ = true;
    state_ = State::kPeerDone;
    return events_->OnPeerDone();
  }
  if (error && error != asio::error::operation_aborted) return events_->OnReadEnd();
  Proceed();
}

// A read has ended that did not look for a body.
void RequestReader::Proceed() {
  switch (state_) {
    case State::kLingering:
      return Discard();
    case State::kTimedOut:
      return Refuse(HeadFault{408, "the request took too long to arrive", {}});
    case State::kIdle:
      return BeginHeader();
    case State::kHeader:
      return ReadHeader();
    default:
      break;
  }
  if (state_ == State::kAhead && buffer_.size() >= kReadAheadBytes) {
    state_ = State::kAheadFull;
    return;
  }
  ReadSome();
}

// Line ends before a request are not a request: an idle connection stays idle.
void RequestReader::BeginHeader() {
  buffer_.consume(LeadingLineEnds(Buffered()));
  if (buffer_.size() == 0 || Buffered() == "\r") {
    if (state_ != State::kIdle) BeginIdle();
    return ReadSome();
  }
  state_ = State::kHeader;
  deadline_ = options_.clock.monotonic() + options_.header_timeout;
  scan_ = HeadScan();
  ReadHeader();
}

void RequestReader::ReadHeader() {
  const HeadScan::State found = scan_.Scan(Buffered());
  if (found == HeadScan::State::kWrong) {
    return Refuse(HeadFault{400, absl::StrCat("not a valid HTTP/1.1 request: ", scan_.why()), {}});
  }
  const size_t size = found == HeadScan::State::kWhole ? scan_.size() : buffer_.size();
  if (size > options_.max_header_bytes) {
    return Refuse(HeadFault{
        431, absl::StrCat("the header has more than ", options_.max_header_bytes, " bytes"), {}});
  }
  if (found == HeadScan::State::kMore) return ReadSome();
  OnHeader(size);
}

void RequestReader::OnHeader(size_t size) {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(options_.max_header_bytes));
  parser_->body_limit(options_.max_body_bytes);
  error_code error;
  parser_->put(asio::buffer(buffer_.data().data(), size), error);
  buffer_.consume(size);
  if (error) {
    if (error == beast::http::error::body_limit) TakeHead();  // whom it answers
    return RefuseUnparsed(error);
  }
  if (auto fault = TakeHead()) return Refuse(*std::move(fault));
  if (parser_->is_done()) return Report();
  if (auto fault = CheckBodyType(request_)) return Refuse(*std::move(fault));
  if (options_.admit) {
    if (auto reply = options_.admit(request_)) return Refuse(*std::move(reply));
  }
  if (!ReserveBody()) {
    return Refuse(HeadFault{503,
                            "too many bodies are arriving; try again later",
                            {{"retry-after", "1"}, {"retry-after-ms", "1000"}}});
  }
  ReadBody();
}

std::optional<HeadFault> RequestReader::TakeHead() {
  const auto& head = parser_->get();
  rules_ = {.keep_alive = head.keep_alive(),
            .http_1_0 = head.version() < 11,
            .is_head = head.method() == beast::http::verb::head};
  request_ = {.method = ToString(head.method_string()), .peer = peer_};
  for (const auto& field : head) {
    request_.headers.emplace_back(Lower(field.name_string()), ToString(field.value()));
  }
  return CheckHead({head.target().data(), head.target().size()}, rules_.http_1_0, &request_);
}

// A body whose length is not known yet counts as the longest.
bool RequestReader::ReserveBody() {
  const auto length = parser_->content_length();
  const bool unpacks = !request_.Header("content-encoding").empty();
  const size_t bytes = length && !unpacks ? static_cast<size_t>(*length) : options_.max_body_bytes;
  if (!budget_.Take(bytes)) return false;
  reserved_bytes_ = bytes;
  return true;
}

void RequestReader::ReleaseBody() { budget_.Release(std::exchange(reserved_bytes_, 0)); }

void RequestReader::ReadBody() {
  state_ = State::kBody;
  deadline_ = options_.clock.monotonic() + options_.body_timeout;
  if (!rules_.http_1_0 && !request_.Header("expect").empty()) events_->OnContinueAwaited();
  beast::http::async_read(
      *stream_, buffer_, *parser_,
      [this, alive = events_->KeepAlive()](error_code error, size_t) { OnBody(error); });
}

void RequestReader::OnBody(error_code error) {
  if (state_ == State::kStopped) return;
  if (state_ == State::kTimedOut) return Proceed();
  if (!error) return Report();
  if (!IsFaultOfRequest(error)) return events_->OnReadEnd();
  RefuseUnparsed(error);
}

void RequestReader::RefuseUnparsed(error_code error) {
  if (error == beast::http::error::body_limit) {
    return Refuse(HeadFault{
        413, absl::StrCat("the body has more than ", options_.max_body_bytes, " bytes"), {}});
  }
  Refuse(HeadFault{400, "not a valid HTTP/1.1 request: " + error.message(), {}});
}

void RequestReader::Refuse(HeadFault fault) {
  const auto shape =
      options_.error_shape ? options_.error_shape(request_) : openai::ErrorShape::kNested;
  Refuse(Reply{.code = fault.code,
               .content_type = "application/json",
               .body = openai::ErrorBody(fault.code, fault.message, shape),
               .headers = std::move(fault.headers)});
}

void RequestReader::Refuse(Reply reply) {
  state_ = State::kRefused;
  deadline_.reset();
  parser_.reset();
  request_.received = options_.clock.monotonic();
  events_->OnBadRequest(std::exchange(request_, {}), std::move(reply));
}

void RequestReader::Report() {
  std::string body = std::move(parser_->get().body());
  if (absl::EndsWithIgnoreCase(Absl(request_.Header("content-encoding")), "gzip")) {
    auto unpacked = Gunzip(body, options_.max_body_bytes);
    if (!unpacked.ok()) {
      const int code = unpacked.status().code() == absl::StatusCode::kOutOfRange ? 413 : 400;
      return Refuse(HeadFault{code, std::string(unpacked.status().message()), {}});
    }
    body = *std::move(unpacked);
  }
  deadline_.reset();
  parser_.reset();
  request_.body = std::move(body);
  request_.received = options_.clock.monotonic();
  state_ = peer_done_ ? State::kPeerDone : State::kAhead;
  if (!peer_done_) Proceed();
  events_->OnRequest(std::exchange(request_, {}), rules_);
}

void RequestReader::Discard() {
  buffer_.clear();
  stream_->async_read_some(buffer_.prepare(16 * 1024),
                           [this, alive = events_->KeepAlive()](error_code error, size_t) {
                             if (state_ == State::kStopped) return;
                             if (error) return events_->OnReadEnd();
                             Discard();
                           });
}

}  // namespace waferline::http
