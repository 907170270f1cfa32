#include "client/sdk/http_wire.h"

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>

#include "absl/strings/str_cat.h"
#include "client/sdk/http_loop.h"
#include "client/sdk/token_client.h"
#include "wafer_backend/base/strings.h"

namespace waferline::sdk {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

// One exchange; everything but Cancel happens on the loop's thread.
template <typename Loop>
class ExchangeOf : public HttpWire::Exchange,
                   public std::enable_shared_from_this<ExchangeOf<Loop>> {
 public:
  ExchangeOf(Loop* loop, HttpRequest request, HttpHandler handler)
      : loop_(loop),
        handler_(std::move(handler)),
        read_pause_(request.read_pause),
        streams_(request.streams),
        resolver_(loop->io()),
        pause_(loop->io()) {
    request_.method_string({request.method.data(), request.method.size()});
    request_.target(loop->endpoint().base_path + request.path);
    request_.version(11);
    request_.set(http::field::host, loop->endpoint().authority());
    request_.set(http::field::user_agent, "waferctl");
    if (!loop->endpoint().api_key.empty()) {
      request_.set(http::field::authorization, "Bearer " + loop->endpoint().api_key);
    }
    if (!request.body.empty()) request_.set(http::field::content_type, "application/json");
    for (const auto& [name, value] : request.headers) request_.set(name, value);
    request_.body() = std::move(request.body);
    request_.prepare_payload();
  }

  void Begin() {
    asio::post(loop_->io(), [self = this->shared_from_this()] {
      self->connection_ = self->loop_->TakeKept();
      self->reused_ = self->connection_ != nullptr;
      self->reused_ ? self->Write() : self->Connect();
    });
  }

  void Cancel() override {
    asio::post(loop_->io(), [self = this->shared_from_this()] {
      if (self->ended_) return;
      self->End(absl::CancelledError("cancelled"));
      self->resolver_.cancel();
      self->pause_.cancel();
      if (self->connection_) self->connection_->tcp().close();
    });
  }

 private:
  auto Then(void (ExchangeOf::*next)(error_code)) {
    return [self = this->shared_from_this(), next](error_code error, const auto&...) {
      if (!self->ended_) ((*self).*next)(error);
    };
  }

  const Patience& patience() const { return loop_->endpoint().patience; }
  // What is begun from now on ends as a timeout after `bound`.
  void Expect(Nanoseconds bound) {
    connection_->tcp().expires_after(std::chrono::nanoseconds(bound.count()));
    bound_ = bound;
  }

  void Connect() {
    if (!loop_->files().ok()) return End(loop_->files());
    reused_ = false;
    connection_ = loop_->MakeConnection();
    const Endpoint& endpoint = loop_->endpoint();
    resolver_.async_resolve(
        endpoint.host, std::to_string(endpoint.port),
        [self = this->shared_from_this()](error_code error,
                                          const asio::ip::tcp::resolver::results_type& found) {
          if (self->ended_) return;
          if (error) return self->OnConnected(error);
          self->Expect(self->patience().connect);
          self->connection_->tcp().async_connect(found, self->Then(&ExchangeOf::OnConnected));
        });
  }

  void OnConnected(error_code error) {
    if (error == beast::error::timeout) {
      return End(ServerUnreachable(loop_->endpoint(),
                                   absl::StrCat("no connection within ", ToSeconds(bound_), " s")));
    }
    if (error) return End(ServerUnreachable(loop_->endpoint(), error.message()));
    error_code ignored;
    connection_->tcp().socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    if (!connection_->tls) return Write();
    const std::string& host = loop_->endpoint().host;
    SSL_set_tlsext_host_name(connection_->tls->native_handle(), host.c_str());
    connection_->tls->set_verify_callback(asio::ssl::host_name_verification(host));
    connection_->tls->async_handshake(asio::ssl::stream_base::client,
                                      Then(&ExchangeOf::OnHandshake));
  }

  void OnHandshake(error_code error) {
    if (!error) return Write();
    if (error == beast::error::timeout) return End(ServerSilent(loop_->endpoint(), bound_));
    End(NoTls(loop_->endpoint(), error.message()));
  }

  void Write() {
    Expect(patience().answer);
    connection_->With([this](auto& stream) {
      http::async_write(stream, request_, Then(&ExchangeOf::OnWritten));
    });
  }

  void OnWritten(error_code error) {
    // A server that refuses early may stop reading; what it says is still to be read.
    if (error && reused_) return Connect();
    ReadHead();
  }

  void ReadHead() {
    parser_.emplace();
    parser_->body_limit(boost::none);
    connection_->With([this](auto& stream) {
      http::async_read_header(stream, connection_->buffer, *parser_, Then(&ExchangeOf::OnHead));
    });
  }

  void OnHead(error_code error) {
    if (error && reused_ && error != beast::error::timeout) return Connect();
    if (error) return End(Broken(error));
    const auto& head = parser_->get();
    if (head.result_int() < 200) {  // informational: the answer is still to come
      if (++informational_ <= HttpWire::kMaxInformational) return ReadHead();
      return End(
          absl::UnavailableError("the server sends one informational response after another"));
    }
    handler_.on_head(head.result_int(), [&head](std::string_view name) {
      const auto found = head.find({name.data(), name.size()});
      return found == head.end() ? std::string() : std::string(found->value());
    });
    // Little by little: what is not read waits on the way, and then at the server.
    if (Slow()) connection_->buffer.max_size(std::max(connection_->buffer.size(), kSlowReadBytes));
    Read();
  }

  bool Slow() const { return read_pause_ > Nanoseconds(0); }

  void Read() {
    if (ended_) return;  // the handler cancelled
    if (parser_->is_done()) {
      if (parser_->keep_alive() && !Slow()) loop_->Keep(std::move(connection_));
      return End(absl::OkStatus());
    }
    parser_->get().body().data = bytes_.data();
    parser_->get().body().size = bytes_.size();
    if (!enough_) Expect(streams_ ? patience().stream : patience().answer);
    connection_->With([this](auto& stream) {
      http::async_read_some(stream, connection_->buffer, *parser_, Then(&ExchangeOf::OnRead));
    });
  }

  void OnRead(error_code error) {
    const size_t got = bytes_.size() - parser_->get().body().size;
    const auto now = std::chrono::steady_clock::now();
    if (got > 0 && !enough_ && !handler_.on_bytes({bytes_.data(), got})) {
      enough_ = now + std::chrono::nanoseconds(HttpWire::kAfterEnough.count());
      connection_->tcp().expires_at(*enough_);
    }
    // A stream that always has data does not time out by itself.
    if (enough_ && now >= *enough_) return End(absl::OkStatus());
    if (error && error != http::error::need_buffer) {
      return End(enough_ ? absl::OkStatus() : Broken(error));
    }
    if (!Slow() || enough_) return Read();
    pause_.expires_after(std::chrono::nanoseconds(read_pause_.count()));
    pause_.async_wait([self = this->shared_from_this()](error_code stopped) {
      if (!stopped && !self->ended_) self->Read();
    });
  }

  absl::Status Broken(error_code error) const {
    if (error == beast::error::timeout) return ServerSilent(loop_->endpoint(), bound_);
    const bool other = error == http::error::bad_version;
    return ConnectionLost(loop_->endpoint(), other ? "it does not speak HTTP/1.1; if that is the "
                                                     "gRPC port, write grpc:// in place of http://"
                                                   : error.message());
  }

  void End(const absl::Status& status) {
    if (ended_) return;
    ended_ = true;
    handler_.on_end(status);
    handler_ = {};
  }

  Loop* const loop_;
  http::request<http::string_body> request_;
  HttpHandler handler_;
  const Nanoseconds read_pause_;
  const bool streams_;
  asio::ip::tcp::resolver resolver_;
  asio::steady_timer pause_;
  std::unique_ptr<HttpConnection> connection_;
  bool reused_ = false;
  bool ended_ = false;
  Nanoseconds bound_;  // of what the connection does now
  // The handler has what it wants; when what follows is given up.
  std::optional<std::chrono::steady_clock::time_point> enough_;
  int informational_ = 0;
  std::optional<http::response_parser<http::buffer_body>> parser_;
  std::array<char, 16 * 1024> bytes_;
};

}  // namespace

HttpWire::HttpWire(Endpoint endpoint) : loop_(std::make_unique<Loop>(std::move(endpoint))) {}
HttpWire::~HttpWire() = default;

std::shared_ptr<HttpWire::Exchange> HttpWire::Send(HttpRequest request, HttpHandler handler) {
  auto exchange =
      std::make_shared<ExchangeOf<Loop>>(loop_.get(), std::move(request), std::move(handler));
  exchange->Begin();
  return exchange;
}

const Endpoint& HttpWire::endpoint() const { return loop_->endpoint(); }

}  // namespace waferline::sdk
