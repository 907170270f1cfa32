#include "server/http/connection.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/http/reply_writer.h"
#include "server/http/stream.h"

namespace waferline::http {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Also of a socket for both versions (::), which sees 127.0.0.1 as ::ffff:127.0.0.1.
bool IsLoopback(const boost::asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6())
        .is_loopback();
  }
  return address.is_loopback();
}

// What a client reads that speaks plain HTTP to a port with TLS.
std::string SpeaksTls() {
  constexpr std::string_view kBody =
      R"({"error":{"message":"this port speaks TLS: write https:// in place of http://",)"
      R"("type":"invalid_request_error","param":null,"code":null}})";
  return absl::StrCat(
      "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n",
      "content-length: ", kBody.size(), "\r\n\r\n", absl::string_view(kBody.data(), kBody.size()));
}

class ConnectionImpl final : public Connection,
                             public ReaderEvents,
                             public WriterEvents,
                             public std::enable_shared_from_this<ConnectionImpl> {
 public:
  ConnectionImpl(tcp::socket socket, const SharedParts& shared,
                 std::function<void(Connection*)> closed)
      : options_(*shared.options),
        handler_(*shared.handler),
        handshakes_(*shared.handshakes),
        closed_(std::move(closed)),
        stream_(std::move(socket),
                options_.tls ? options_.tls->Current(options_.clock.monotonic()) : nullptr),
        reader_(&stream_, shared.options, shared.bodies, this),
        writer_(&stream_, shared.options, this) {}

  void Start() override {
    error_code ignored;
    socket().set_option(tcp::no_delay(true), ignored);  // a token must not wait for the next one
    address_ = socket().remote_endpoint(ignored);
    if (stream_.ssl() == nullptr) return Begin(nullptr);
    handshakes_.Begin(this, options_.clock.monotonic());
    handshaking_ = true;
    stream_.async_handshake([this, alive = KeepAlive()](error_code error) {
      if (handshaking_) OnHandshake(error);
    });
  }

  void Tick(Nanoseconds now) override {
    reader_.Tick(now);
    writer_.Tick(now);
  }

  void RefuseHandshake(const tls::Refused& why) override {
    if (!handshaking_) return;
    if (options_.on_refused) {
      error_code ignored;
      options_.on_refused(
          why, absl::StrCat(address_.address().to_string(ignored), ":", address_.port()));
    }
    Close();
  }

  std::optional<Nanoseconds> idle_since() const override {
    error_code error;
    if (handshaking_ || stream_.socket().available(error) > 0) return std::nullopt;
    return reader_.idle_since();
  }

  void Close() override {
    if (!socket().is_open()) return;
    EndHandshake();
    error_code ignored;
    socket().shutdown(tcp::socket::shutdown_both, ignored);
    socket().close(ignored);
    reader_.Stop();
    writer_.Stop();
    if (exchange_ != nullptr) LogAccess(499);
    exchange_.reset();
    if (auto gone = std::exchange(gone_, nullptr)) gone();
    closed_(this);
  }

 private:
  // What routes hold. After the reply's end, or the connection's, it does nothing.
  class ExchangeImpl final : public Exchange {
   public:
    ExchangeImpl(std::shared_ptr<ConnectionImpl> connection, Request request)
        : connection_(std::move(connection)), request_(std::move(request)) {}

    const Request& request() const override { return request_; }
    void AddHeader(std::string name, std::string value) override {
      headers_.emplace_back(std::move(name), std::move(value));
    }
    void Send(Reply reply) override {
      if (!IsCurrent()) return;
      connection_->writer_.Send(reply, headers_);
      connection_->EndReply();
    }
    void StartStream(Reply head, std::string idle_comment) override {
      if (IsCurrent()) connection_->writer_.StartStream(head, headers_, std::move(idle_comment));
    }
    void Write(std::string_view bytes) override {
      if (IsCurrent()) connection_->writer_.Write(bytes);
    }
    void Finish() override {
      if (IsCurrent()) connection_->EndReply();
    }
    size_t unsent_bytes() const override {
      return IsCurrent() ? connection_->writer_.unsent_bytes() : 0;
    }
    void OnDrained(std::function<void()> drained) override {
      if (IsCurrent()) connection_->writer_.OnDrained(std::move(drained));
    }
    void OnGone(std::function<void()> gone) override {
      if (IsCurrent()) connection_->gone_ = std::move(gone);
    }

   private:
    bool IsCurrent() const { return connection_->exchange_.get() == this; }

    const std::shared_ptr<ConnectionImpl> connection_;
    const Request request_;
    Headers headers_;
  };

  std::shared_ptr<void> KeepAlive() override { return shared_from_this(); }
  tcp::socket& socket() { return stream_.socket(); }

  void OnHandshake(error_code error) {
    if (error) {
      const bool tls = error.category() == boost::asio::error::get_ssl_category();
      if (tls && ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST) {
        // Does not block: nothing was sent on this connection yet.
        error_code ignored;
        socket().write_some(boost::asio::buffer(SpeaksTls()), ignored);
      }
      return RefuseHandshake(
          tls::WhyFailed(stream_.ssl(), tls ? static_cast<unsigned long>(error.value()) : 0));
    }
    tls::PeerCheck check = options_.tls->CheckCaller(stream_.ssl(), options_.door);
    if (check.refused) return RefuseHandshake(*check.refused);
    EndHandshake();
    Begin(std::move(check.identity));
  }

  void EndHandshake() {
    if (std::exchange(handshaking_, false)) handshakes_.End(this);
  }

  void Begin(std::shared_ptr<const tls::Identity> identity) {
    reader_.Start({.from_loopback = IsLoopback(address_.address()),
                   .tls = stream_.ssl() != nullptr,
                   .identity = std::move(identity)});
  }

  std::shared_ptr<Exchange> Begin(Request request, const ReplyRules& rules) {
    writer_.Begin(rules);
    exchange_ = std::make_shared<ExchangeImpl>(shared_from_this(), std::move(request));
    return exchange_;
  }

  void OnRequest(Request request, const ReplyRules& rules) override {
    handler_(Begin(std::move(request), rules));
  }

  void OnBadRequest(Request request, Reply reply) override {
    const ReplyRules rules{.keep_alive = false, .is_head = request.method == "HEAD"};
    Begin(std::move(request), rules)->Send(std::move(reply));
  }

  void OnPeerDone() override {
    AwaitReset();
    writer_.Probe();
  }

  // A peer that has closed answers the next bytes with a reset.
  void AwaitReset() {
    socket().async_wait(tcp::socket::wait_error, [this, alive = KeepAlive()](error_code error) {
      if (error || !socket().is_open()) return;
      // A read would only tell that the peer has ended its sending.
      int reset = 0;
      socklen_t size = sizeof reset;
      getsockopt(socket().native_handle(), SOL_SOCKET, SO_ERROR, &reset, &size);
      reset == 0 ? AwaitReset() : Close();
    });
  }

  void OnContinueAwaited() override { writer_.SendContinue(); }
  void OnReadEnd() override { Close(); }
  void OnWriteEnd() override { Close(); }

  void OnReplySent(bool keep_alive) override {
    if (keep_alive) return reader_.Next();
    reader_.Linger();
  }

  void EndReply() {
    LogAccess(writer_.code());
    exchange_.reset();
    gone_ = nullptr;
    writer_.End();
  }

  void LogAccess(int code) const {
    const Request& request = exchange_->request();
    if (!options_.on_reply) return;
    options_.on_reply(request, code, options_.clock.monotonic() - request.received);
  }

  const ServerOptions& options_;
  const Handler& handler_;
  Handshakes& handshakes_;
  const std::function<void(Connection*)> closed_;
  Stream stream_;
  tcp::endpoint address_;  // the peer's
  bool handshaking_ = false;
  RequestReader reader_;
  ReplyWriter writer_;
  std::shared_ptr<ExchangeImpl> exchange_;  // that may write now; null between requests
  std::function<void()> gone_;
};

}  // namespace

std::shared_ptr<Connection> MakeConnection(tcp::socket socket, const SharedParts& shared,
                                           std::function<void(Connection*)> closed) {
  return std::make_shared<ConnectionImpl>(std::move(socket), shared, std::move(closed));
}

}  // namespace waferline::http
