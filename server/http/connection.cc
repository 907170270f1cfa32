#include "server/http/connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "server/http/response_head.h"
#include "server/openai/api_error.h"

namespace waferline::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

// Pipelined bytes that may wait while a reply is under way; beyond that the socket is not read.
constexpr size_t kReadAheadBytes = 16 * 1024;
// After an error reply the peer may still be sending; reading a little of it lets the reply
// arrive instead of a reset.
constexpr Nanoseconds kLinger = Seconds(2);

std::string ToString(beast::string_view text) { return {text.data(), text.size()}; }

std::string Lower(beast::string_view text) {
  std::string out = ToString(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

class ConnectionImpl final : public Connection,
                             public std::enable_shared_from_this<ConnectionImpl> {
 public:
  ConnectionImpl(tcp::socket socket, const ServerOptions& options, const Handler& handler,
                 std::function<void(Connection*)> closed)
      : socket_(std::move(socket)),
        options_(options),
        handler_(handler),
        closed_(std::move(closed)),
        buffer_(options.max_header_bytes + 64 * 1024) {}

  void Start() override {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);  // a token must not wait for the next one
    const auto peer = socket_.remote_endpoint(ignored);
    from_loopback_ = !ignored && peer.address().is_loopback();
    ReadAhead();
  }

  void Tick(Nanoseconds now) override {
    if (read_deadline_ && now >= *read_deadline_) return ReadTimedOut();
    if (write_deadline_ && now >= *write_deadline_) return Close();
    if (exchange_ != nullptr && !idle_comment_.empty() && !writing_ &&
        now - last_write_ >= options_.keep_alive_interval) {
      WriteBody(idle_comment_);
    }
  }

  void Close() override {
    if (!std::exchange(open_, false)) return;
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
    read_deadline_.reset();
    write_deadline_.reset();
    if (exchange_ != nullptr) Tell(499);
    exchange_.reset();
    drained_ = nullptr;
    if (auto gone = std::exchange(gone_, nullptr)) gone();
    closed_(this);
  }

 private:
  using Parser = beast::http::request_parser<beast::http::string_body>;

  // What routes hold. It may outlive the connection's interest in it: then it does nothing.
  class Turn final : public Exchange {
   public:
    Turn(std::shared_ptr<ConnectionImpl> connection, Request request)
        : connection_(std::move(connection)), request_(std::move(request)) {}

    const Request& request() const override { return request_; }
    void AddHeader(std::string name, std::string value) override {
      headers_.emplace_back(std::move(name), std::move(value));
    }
    void Send(Reply reply) override {
      if (Mine()) connection_->SendWhole(std::move(reply), headers_);
    }
    void StartStream(Reply head, std::string idle_comment) override {
      if (Mine()) connection_->SendHead(std::move(head), headers_, std::move(idle_comment));
    }
    void Write(std::string_view bytes) override {
      if (Mine()) connection_->WriteBody(bytes);
    }
    void Finish() override {
      if (Mine()) connection_->EndBody();
    }
    size_t unsent_bytes() const override {
      return Mine() ? connection_->out_.size() + connection_->in_flight_.size() : 0;
    }
    void OnDrained(std::function<void()> drained) override {
      if (Mine()) connection_->drained_ = std::move(drained);
    }
    void OnGone(std::function<void()> gone) override {
      if (Mine()) connection_->gone_ = std::move(gone);
    }

   private:
    bool Mine() const { return connection_->exchange_.get() == this; }

    const std::shared_ptr<ConnectionImpl> connection_;
    const Request request_;
    Headers headers_;
  };

  Nanoseconds Now() const { return options_.clock.monotonic(); }

  // ---- reading

  // A reply is being written, or the last of it is not yet with the socket.
  bool busy() const { return exchange_ != nullptr || reply_ended_; }

  // Reads whatever comes: between requests it is the start of the next one, during a reply it tells
  // whether the peer is still there.
  void ReadAhead() {
    if (!busy()) read_deadline_ = Now() + options_.idle_timeout;
    const bool next_is_here = !busy() && buffer_.size() > 0;
    if (reading_) {
      error_code ignored;
      if (next_is_here) socket_.cancel(ignored);  // nothing is being written now
      return;
    }
    if (next_is_here) return ReadHeader();
    if (buffer_.size() >= kReadAheadBytes) return;
    reading_ = true;
    socket_.async_read_some(buffer_.prepare(4096),
                            [self = shared_from_this()](error_code error, size_t size) {
                              self->reading_ = false;
                              if (!self->open_) return;
                              if (error && error != asio::error::operation_aborted) {
                                return self->Close();
                              }
                              self->buffer_.commit(size);
                              if (self->lingering_) return self->Discard();
                              self->ReadAhead();
                            });
  }

  void ReadHeader() {
    reading_ = true;
    read_deadline_ = Now() + options_.header_timeout;
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(options_.max_header_bytes));
    parser_->body_limit(options_.max_body_bytes);
    beast::http::async_read_header(socket_, buffer_, *parser_,
                                   [self = shared_from_this()](error_code error, size_t) {
                                     if (error) return self->ReadFailed(error);
                                     self->ReadBody();
                                   });
  }

  void ReadBody() {
    read_deadline_ = Now() + options_.body_timeout;
    if (Lower(parser_->get()[beast::http::field::expect]) == "100-continue") {
      out_ += "HTTP/1.1 100 Continue\r\n\r\n";
      Flush();
    }
    beast::http::async_read(socket_, buffer_, *parser_,
                            [self = shared_from_this()](error_code error, size_t) {
                              if (error) return self->ReadFailed(error);
                              self->reading_ = false;
                              self->Handle();
                            });
  }

  void ReadFailed(error_code error) {
    reading_ = false;
    if (timed_out_) return;  // 408 is on its way
    using Fault = beast::http::error;
    if (!open_ || !IsFaultOfRequest(error)) return Close();
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

  // False: the peer is gone, nobody reads an answer.
  static bool IsFaultOfRequest(error_code error) {
    using Fault = beast::http::error;
    return error.category() == beast::http::make_error_code(Fault::bad_method).category() &&
           error != Fault::end_of_stream && error != Fault::partial_message;
  }

  void ReadTimedOut() {
    if (lingering_ || !parser_) return Close();
    timed_out_ = true;
    error_code ignored;
    socket_.cancel(ignored);
    Refuse(408, "the request took too long to arrive");
  }

  // The reply to something that never became a request; the connection ends after it.
  void Refuse(int code, std::string message) {
    keep_alive_ = false;
    is_head_ = false;
    http_1_0_ = false;
    exchange_ = std::make_shared<Turn>(shared_from_this(), Request{.received = Now()});
    exchange_->Send({.code = code,
                     .content_type = "application/json",
                     .body = openai::ErrorBody(code, message)});
  }

  void Handle() {
    read_deadline_.reset();
    auto message = parser_->release();
    parser_.reset();
    Request request{.method = ToString(message.method_string()),
                    .body = std::move(message.body()),
                    .from_loopback = from_loopback_,
                    .received = Now()};
    const std::string target = ToString(message.target());
    const size_t question = std::min(target.find('?'), target.size());
    request.path = PercentDecode(target.substr(0, question));
    if (question < target.size()) request.query = target.substr(question + 1);
    for (const auto& field : message) {
      request.headers.emplace_back(Lower(field.name_string()), ToString(field.value()));
    }
    keep_alive_ = message.keep_alive();
    http_1_0_ = message.version() < 11;
    is_head_ = request.method == "HEAD";
    // A local copy: a handler that answers at once lets go of exchange_.
    auto exchange = exchange_ = std::make_shared<Turn>(shared_from_this(), std::move(request));
    ReadAhead();
    handler_(exchange);
  }

  // ---- writing

  void SendWhole(Reply reply, const Headers& extra) {
    code_ = reply.code;
    out_ += ResponseHead({.code = reply.code,
                          .content_type = reply.content_type,
                          .headers = {&extra, &reply.headers},
                          .content_length = reply.body.size(),
                          .keep_alive = keep_alive_,
                          .unix_seconds = options_.clock.unix_seconds()});
    if (!is_head_) out_ += reply.body;
    EndReply();
  }

  void SendHead(Reply head, const Headers& extra, std::string idle_comment) {
    code_ = head.code;
    chunked_ = !http_1_0_;
    if (http_1_0_) keep_alive_ = false;  // the end of the connection ends the body
    idle_comment_ = std::move(idle_comment);
    out_ += ResponseHead({.code = head.code,
                          .content_type = head.content_type,
                          .headers = {&extra, &head.headers},
                          .chunked = chunked_,
                          .keep_alive = keep_alive_,
                          .unix_seconds = options_.clock.unix_seconds()});
    Flush();
  }

  void WriteBody(std::string_view bytes) {
    if (bytes.empty() || is_head_) return;
    if (chunked_) {
      AppendChunk(out_, bytes);
    } else {
      out_ += bytes;
    }
    Flush();
  }

  void EndBody() {
    if (chunked_ && !is_head_) out_ += kLastChunk;
    EndReply();
  }

  void Tell(int code) const {
    const Request& request = exchange_->request();
    if (options_.on_reply) options_.on_reply(request, code, Now() - request.received);
  }

  void EndReply() {
    Tell(code_);
    exchange_.reset();
    chunked_ = false;
    idle_comment_.clear();
    gone_ = nullptr;
    drained_ = nullptr;
    reply_ended_ = true;
    Flush();
  }

  void Flush() {
    if (writing_ || !open_ || out_.empty()) return;
    writing_ = true;
    last_write_ = Now();
    write_deadline_ = last_write_ + options_.write_timeout;
    in_flight_.swap(out_);
    asio::async_write(socket_, asio::buffer(in_flight_),
                      [self = shared_from_this()](error_code error, size_t) {
                        self->writing_ = false;
                        self->write_deadline_.reset();
                        self->in_flight_.clear();
                        if (error) return self->Close();
                        self->Written();
                      });
  }

  void Written() {
    if (!out_.empty()) return Flush();
    if (reply_ended_) {
      reply_ended_ = false;
      if (!keep_alive_) return Linger();
      return ReadAhead();
    }
    if (drained_) {
      const auto drained = drained_;  // it may replace itself
      drained();
    }
  }

  // Says "no more" and waits a little for the peer to say the same, then hangs up.
  void Linger() {
    lingering_ = true;
    read_deadline_ = Now() + kLinger;
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    if (!reading_) Discard();
  }

  void Discard() {
    buffer_.clear();
    reading_ = true;
    socket_.async_read_some(buffer_.prepare(16 * 1024),
                            [self = shared_from_this()](error_code error, size_t) {
                              self->reading_ = false;
                              if (error || !self->open_) return self->Close();
                              self->Discard();
                            });
  }

  tcp::socket socket_;
  const ServerOptions& options_;
  const Handler& handler_;
  const std::function<void(Connection*)> closed_;
  bool from_loopback_ = false;
  bool open_ = true;

  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  bool reading_ = false;
  bool lingering_ = false;
  bool timed_out_ = false;
  std::optional<Nanoseconds> read_deadline_;

  // The exchange that may write now; null between requests.
  std::shared_ptr<Turn> exchange_;
  std::function<void()> gone_;
  std::function<void()> drained_;
  int code_ = 0;  // of the reply under way
  bool keep_alive_ = true;
  bool http_1_0_ = false;
  bool is_head_ = false;
  bool chunked_ = false;
  bool reply_ended_ = false;
  std::string idle_comment_;

  std::string out_;        // not yet given to the socket
  std::string in_flight_;  // given, not yet taken
  bool writing_ = false;
  Nanoseconds last_write_;
  std::optional<Nanoseconds> write_deadline_;
};

}  // namespace

std::shared_ptr<Connection> MakeConnection(tcp::socket socket, const ServerOptions& options,
                                           const Handler& handler,
                                           std::function<void(Connection*)> closed) {
  return std::make_shared<ConnectionImpl>(std::move(socket), options, handler, std::move(closed));
}

}  // namespace waferline::http
