#include "server/http/http_server.h"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/http/connection.h"
#include "server/http/response_head.h"
#include "server/openai/api_error.h"
#include "server/runtime/host.h"

namespace waferline::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {
// Deadlines are seconds; looking a few times a second keeps them within a tenth.
constexpr auto kTick = std::chrono::milliseconds(100);
constexpr Nanoseconds kMinIdle = Seconds(1);
}  // namespace

class HttpServer::Loop {
 public:
  Loop(ServerOptions options, Handler handler)
      : options_(std::move(options)), handler_(std::move(handler)) {}

  absl::StatusOr<uint16_t> Start() {
    error_code error;
    const auto address = asio::ip::make_address(options_.address, error);
    if (error) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", options_.address, "' is not an IP address"));
    }
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return absl::UnavailableError(absl::StrCat("cannot listen on ", options_.address, ":",
                                                 options_.port, ": ", error.message()));
    }
    const uint16_t port = acceptor_.local_endpoint().port();
    Accept();
    Tick();
    thread_ = std::thread([this] {
      runtime::PreferShortTurns();
      io_.run();
    });
    return port;
  }

  void StopAccepting() {
    Post([this] {
      error_code ignored;
      acceptor_.close(ignored);
    });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] {
      error_code ignored;
      acceptor_.close(ignored);
      ticker_.cancel();
      for (const auto& connection : Snapshot()) connection->Close();
      io_.stop();
    });
    thread_.join();
  }

  void Post(std::function<void()> task) { asio::post(io_, std::move(task)); }
  void PostAfter(Nanoseconds delay, std::function<void()> task) {
    const auto timer = std::make_shared<asio::steady_timer>(io_);
    timer->expires_after(std::chrono::nanoseconds(delay.count()));
    timer->async_wait([timer, task = std::move(task)](error_code error) {
      if (!error) task();
    });
  }
  size_t connections() const { return count_.load(std::memory_order_relaxed); }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (error) return Retry();
      if (connections_.size() >= options_.max_connections && !CloseLongestIdle()) {
        RefuseConnection(std::move(socket));
      } else {
        auto connection =
            MakeConnection(std::move(socket), {&options_, &handler_, &bodies_, &handshakes_},
                           [this](Connection* closed) { Forget(closed); });
        connections_.emplace(connection.get(), connection);
        count_.store(connections_.size(), std::memory_order_relaxed);
        connection->Start();
      }
      if (!handshakes_.full()) return Accept();
      handshakes_.OnRoom([this] {
        if (acceptor_.is_open()) Accept();
      });
    });
  }

  // False: none has been idle for kMinIdle. New clients would close each other before they had sent
  // a byte.
  bool CloseLongestIdle() {
    std::shared_ptr<Connection> longest;
    Nanoseconds since;
    for (const auto& [key, connection] : connections_) {
      const auto idle = connection->idle_since();
      if (!idle || (longest != nullptr && *idle >= since)) continue;
      longest = connection;
      since = *idle;
    }
    if (longest == nullptr || options_.clock.monotonic() - since < kMinIdle) return false;
    longest->Close();
    return true;
  }

  // Probably out of descriptors: tries again when some may have been closed.
  void Retry() {
    retry_.expires_after(kTick);
    retry_.async_wait([this](error_code error) {
      if (!error && acceptor_.is_open()) Accept();
    });
  }

  // A short reply fits the socket's empty buffer; if it does not, the peer just sees the end.
  void RefuseConnection(tcp::socket socket) {
    if (options_.tls) return;  // what it would understand needs a handshake
    const std::string body = openai::ErrorBody(
        absl::UnavailableError("too many connections are open; close some or try again later"));
    const Headers headers = {{"retry-after", "1"}, {"retry-after-ms", "1000"}};
    std::string reply = ResponseHead({.code = 503,
                                      .content_type = "application/json",
                                      .headers = {&headers, nullptr},
                                      .content_length = body.size(),
                                      .keep_alive = false,
                                      .unix_seconds = options_.clock.unix_seconds()});
    reply += body;
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(reply), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  void Tick() {
    ticker_.expires_after(kTick);
    ticker_.async_wait([this](error_code error) {
      if (error) return;
      const Nanoseconds now = options_.clock.monotonic();
      handshakes_.Tick(now);
      for (const auto& connection : Snapshot()) connection->Tick(now);
      if (options_.on_tick) options_.on_tick(now);
      Tick();
    });
  }

  // Closing one changes the list.
  std::vector<std::shared_ptr<Connection>> Snapshot() const {
    std::vector<std::shared_ptr<Connection>> all;
    all.reserve(connections_.size());
    for (const auto& [key, connection] : connections_) all.push_back(connection);
    return all;
  }

  void Forget(Connection* connection) {
    connections_.erase(connection);
    count_.store(connections_.size(), std::memory_order_relaxed);
  }

  const ServerOptions options_;
  const Handler handler_;
  BodyBudget bodies_{options_.max_bodies_bytes};
  Handshakes handshakes_{options_.handshake_timeout, options_.max_handshakes};
  asio::io_context io_{1};  // outlives every socket below
  tcp::acceptor acceptor_{io_};
  asio::steady_timer ticker_{io_};
  asio::steady_timer retry_{io_};
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  std::atomic<size_t> count_ = 0;
  std::thread thread_;
};

HttpServer::HttpServer(ServerOptions options, Handler handler)
    : loop_(std::make_unique<Loop>(std::move(options), std::move(handler))) {}
HttpServer::~HttpServer() { Stop(); }
absl::StatusOr<uint16_t> HttpServer::Start() { return loop_->Start(); }
void HttpServer::StopAccepting() { loop_->StopAccepting(); }
void HttpServer::Stop() { loop_->Stop(); }
void HttpServer::Post(std::function<void()> task) { loop_->Post(std::move(task)); }
void HttpServer::PostAfter(Nanoseconds delay, std::function<void()> task) {
  loop_->PostAfter(delay, std::move(task));
}
size_t HttpServer::connections() const { return loop_->connections(); }

}  // namespace waferline::http
