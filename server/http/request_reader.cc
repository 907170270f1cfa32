#include "server/http/request_reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/url/pct_string_view.hpp>
#include <utility>

#include "absl/strings/ascii.h"

namespace waferline::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
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

RequestReader::RequestReader(tcp::socket* socket, const ServerOptions* options,
                             ReaderEvents* events)
    : socket_(socket),
      options_(*options),
      events_(events),
      buffer_(options->max_header_bytes + 64 * 1024) {}

void RequestReader::Start() {
  deadline_ = options_.clock.monotonic() + options_.idle_timeout;
  ReadSome();
}

void RequestReader::Next() {
  const bool is_reading = state_ == State::kAhead;
  if (buffer_.size() > 0 && !is_reading) return ReadHeader();
  state_ = State::kIdle;
  deadline_ = options_.clock.monotonic() + options_.idle_timeout;
  error_code ignored;
  // The next request is here already: the read ends and goes on with it. (The reply has been
  // written, so no write is cancelled.)
  if (buffer_.size() > 0) socket_->cancel(ignored);
}

void RequestReader::Linger() {
  const bool is_reading = state_ == State::kAhead;
  state_ = State::kLingering;
  deadline_ = options_.clock.monotonic() + kLinger;
  error_code ignored;
  socket_->shutdown(tcp::socket::shutdown_send, ignored);
  if (!is_reading) Discard();
}

void RequestReader::Stop() {
  state_ = State::kStopped;
  deadline_.reset();
}

void RequestReader::Tick(Nanoseconds now) {
  if (!deadline_ || now < *deadline_) return;
  deadline_.reset();
  if (state_ != State::kHeader && state_ != State::kBody) return events_->OnReadEnd();
  state_ = State::kTimedOut;
  error_code ignored;
  socket_->cancel(ignored);
}

// In kIdle and kAhead.
void RequestReader::ReadSome() {
  socket_->async_read_some(buffer_.prepare(4096),
                           [this, alive = events_->KeepAlive()](error_code error, size_t size) {
                             if (state_ == State::kStopped) return;
                             if (error && error != asio::error::operation_aborted) {
                               return events_->OnReadEnd();
                             }
                             buffer_.commit(size);
                             Proceed();
                           });
}

// A read that looked for no message has ended.
void RequestReader::Proceed() {
  if (state_ == State::kLingering) return Discard();
  if (state_ == State::kIdle && buffer_.size() > 0) return ReadHeader();
  if (state_ == State::kAhead && buffer_.size() >= kReadAheadBytes) {
    state_ = State::kAheadFull;
    return;
  }
  ReadSome();
}

void RequestReader::ReadHeader() {
  state_ = State::kHeader;
  deadline_ = options_.clock.monotonic() + options_.header_timeout;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(options_.max_header_bytes));
  parser_->body_limit(options_.max_body_bytes);
  beast::http::async_read_header(*socket_, buffer_, *parser_,
                                 [this, alive = events_->KeepAlive()](error_code error, size_t) {
                                   if (error || state_ != State::kHeader) return ReadFailed(error);
                                   ReadBody();
                                 });
}

void RequestReader::ReadBody() {
  state_ = State::kBody;
  deadline_ = options_.clock.monotonic() + options_.body_timeout;
  if (beast::iequals(parser_->get()[beast::http::field::expect], "100-continue")) {
    events_->OnContinueAwaited();
  }
  beast::http::async_read(*socket_, buffer_, *parser_,
                          [this, alive = events_->KeepAlive()](error_code error, size_t) {
                            if (error || state_ != State::kBody) return ReadFailed(error);
                            Report();
                          });
}

void RequestReader::ReadFailed(error_code error) {
  if (state_ == State::kStopped) return;
  if (state_ == State::kTimedOut) return Refuse(408, "the request took too long to arrive");
  using Fault = beast::http::error;
  if (!IsFaultOfRequest(error)) return events_->OnReadEnd();
  if (error == Fault::body_limit) {
    return Refuse(413,
                  "the body has more than " + std::to_string(options_.max_body_bytes) + " bytes");
  }
  if (error == Fault::header_limit || error == Fault::buffer_overflow) {
    return Refuse(
        431, "the header has more than " + std::to_string(options_.max_header_bytes) + " bytes");
  }
  Refuse(400, "not a valid HTTP/1.1 request: " + error.message());
}

void RequestReader::Refuse(int code, const std::string& message) {
  state_ = State::kRefused;
  deadline_.reset();
  parser_.reset();
  events_->OnBadRequest(code, message);
}

void RequestReader::Report() {
  deadline_.reset();
  auto message = parser_->release();
  parser_.reset();
  const ReplyRules rules{.keep_alive = message.keep_alive(),
                         .http_1_0 = message.version() < 11,
                         .is_head = message.method() == beast::http::verb::head};
  Request request{.method = ToString(message.method_string()),
                  .path = PathOf({message.target().data(), message.target().size()}),
                  .body = std::move(message.body()),
                  .received = options_.clock.monotonic()};
  for (const auto& field : message) {
    request.headers.emplace_back(Lower(field.name_string()), ToString(field.value()));
  }
  state_ = State::kAhead;
  Proceed();
  events_->OnRequest(std::move(request), rules);
}

void RequestReader::Discard() {
  buffer_.clear();
  socket_->async_read_some(buffer_.prepare(16 * 1024),
                           [this, alive = events_->KeepAlive()](error_code error, size_t) {
                             if (state_ == State::kStopped) return;
                             if (error) return events_->OnReadEnd();
                             Discard();
                           });
}

std::string PathOf(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  const auto escaped = boost::urls::make_pct_string_view({path.data(), path.size()});
  return escaped ? escaped->decode() : std::string(path);
}

}  // namespace waferline::http
