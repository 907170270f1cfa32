#include "wafer_backend/compute/link/tcp_network.h"

#include <netinet/tcp.h>

#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::link {
namespace {

using Error = boost::system::error_code;
using Tcp = boost::asio::ip::tcp;

absl::Status StatusOf(const Error& error) {
  return error ? absl::UnavailableError(error.message()) : absl::OkStatus();
}

absl::Status Unreachable(const std::string& endpoint, const std::string& why) {
  return absl::UnavailableError(absl::StrCat("cannot connect to ", endpoint, ": ", why));
}

// "host:port" apart; InvalidArgument if it is not that.
absl::StatusOr<std::pair<std::string, std::string>> SplitEndpoint(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  const bool digits = colon != std::string::npos && colon + 1 < endpoint.size() &&
                      endpoint.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  if (colon == std::string::npos || colon == 0 || !digits || endpoint.size() - colon > 6 ||
      std::stoi(endpoint.substr(colon + 1)) > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", endpoint, "\" is not an endpoint; write host:port"));
  }
  return std::pair(endpoint.substr(0, colon), endpoint.substr(colon + 1));
}

class TcpSocket : public Socket {
 public:
  explicit TcpSocket(Tcp::socket connected) : socket_(std::move(connected)) {
    Error ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(Tcp::no_delay(true), ignored);
    socket_.set_option(boost::asio::socket_base::keep_alive(true), ignored);
    const int silent_ms = 10'000;
    setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms,
               sizeof(silent_ms));
    const auto remote = socket_.remote_endpoint(ignored);
    peer_ = absl::StrCat(remote.address().to_string(ignored), ":", remote.port());
  }

  bool open() const override { return socket_.is_open(); }
  void Close() override {
    Error ignored;
    socket_.close(ignored);
  }
  const std::string& peer() const override { return peer_; }
  // What was cancelled by Close still has a handler to run, which says nothing.
  void Read(std::span<uint8_t> room, OnRead done) override {
    socket_.async_read_some(boost::asio::buffer(room.data(), room.size()),
                            [done = std::move(done)](const Error& error, size_t got) {
                              if (error == boost::asio::error::operation_aborted) return;
                              done(StatusOf(error), got);
                            });
  }
  absl::StatusOr<size_t> Write(std::span<const uint8_t> bytes) override {
    Error error;
    const size_t sent = socket_.write_some(boost::asio::buffer(bytes.data(), bytes.size()), error);
    if (error && error != boost::asio::error::would_block) return StatusOf(error);
    return sent;
  }
  void AwaitRoom(OnRoom done) override {
    socket_.async_wait(Tcp::socket::wait_write, [done = std::move(done)](const Error& error) {
      if (error != boost::asio::error::operation_aborted) done(StatusOf(error));
    });
  }

 private:
  Tcp::socket socket_;
  std::string peer_;
};

class TcpNetwork : public Network {
 public:
  ~TcpNetwork() override {
    // What was cancelled by the death of its owner still has a handler to run.
    keep_.reset();
    context_.restart();
    context_.poll();
  }

  Nanoseconds Now() const override {
    return Nanoseconds(std::chrono::duration_cast<std::chrono::nanoseconds>(
                           std::chrono::steady_clock::now().time_since_epoch())
                           .count());
  }
  void Turn(Nanoseconds patience) override {
    context_.restart();
    if (context_.poll() == 0 && patience > Nanoseconds(0) &&
        context_.run_one_for(std::chrono::nanoseconds(patience.count())) > 0) {
      context_.poll();
    }
  }
  void Wake() override {
    if (woken_.exchange(true)) return;
    boost::asio::post(context_, [this] { woken_ = false; });
  }
  std::unique_ptr<Pending> Connect(const std::string& endpoint, Nanoseconds timeout,
                                   OnConnected done) override;
  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const std::string& endpoint,
                                                   OnAccepted on_accepted) override;

 private:
  boost::asio::io_context context_{1};  // one thread runs it
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_{
      context_.get_executor()};
  std::atomic<bool> woken_{false};
};

class Connecting : public Network::Pending {
 public:
  struct State {
    State(boost::asio::io_context* context, std::string to, Network::OnConnected on_done)
        : endpoint(std::move(to)),
          done(std::move(on_done)),
          resolver(*context),
          socket(*context),
          timer(*context) {}

    void Finish(absl::StatusOr<std::unique_ptr<Socket>> result) {
      if (!done) return;
      const Network::OnConnected call = std::exchange(done, nullptr);
      Stop();
      call(std::move(result));
    }
    void Stop() {
      done = nullptr;
      timer.cancel();
      resolver.cancel();
      Error ignored;
      socket.close(ignored);
    }

    const std::string endpoint;
    Network::OnConnected done;
    Tcp::resolver resolver;
    Tcp::socket socket;
    boost::asio::steady_timer timer;
  };
  explicit Connecting(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Connecting() override { state_->Stop(); }

 private:
  const std::shared_ptr<State> state_;
};

std::unique_ptr<Network::Pending> TcpNetwork::Connect(const std::string& endpoint,
                                                      Nanoseconds timeout, OnConnected done) {
  auto state = std::make_shared<Connecting::State>(&context_, endpoint, std::move(done));
  const auto parts = SplitEndpoint(endpoint);
  if (!parts.ok()) {
    boost::asio::post(context_, [state, status = parts.status()] { state->Finish(status); });
    return std::make_unique<Connecting>(std::move(state));
  }
  state->timer.expires_after(std::chrono::nanoseconds(timeout.count()));
  state->timer.async_wait([state](const Error& error) {
    if (!error) state->Finish(Unreachable(state->endpoint, "no answer in time"));
  });
  const auto connect = [state](const Error& error, const Tcp::resolver::results_type& found) {
    if (!state->done) return;
    if (error) return state->Finish(Unreachable(state->endpoint, error.message()));
    boost::asio::async_connect(
        state->socket, found, [state](const Error& failed, const Tcp::endpoint&) {
          if (!state->done) return;
          if (failed) return state->Finish(Unreachable(state->endpoint, failed.message()));
          state->Finish(std::make_unique<TcpSocket>(std::move(state->socket)));
        });
  };
  // A number needs no resolver, which would start a thread for it.
  Error not_a_number;
  const auto address = boost::asio::ip::make_address(parts->first, not_a_number);
  if (not_a_number) {
    state->resolver.async_resolve(parts->first, parts->second, connect);
  } else {
    const auto port = static_cast<uint16_t>(std::stoi(parts->second));
    connect({}, Tcp::resolver::results_type::create(Tcp::endpoint(address, port), parts->first,
                                                    parts->second));
  }
  return std::make_unique<Connecting>(std::move(state));
}

class Accepting : public Network::Acceptor {
 public:
  struct State : std::enable_shared_from_this<State> {
    State(boost::asio::io_context* context, Network::OnAccepted on_each)
        : acceptor(*context), on_accepted(std::move(on_each)) {}

    void Accept() {
      acceptor.async_accept([self = shared_from_this()](const Error& error, Tcp::socket socket) {
        if (!self->acceptor.is_open()) return;
        if (!error) self->on_accepted(std::make_unique<TcpSocket>(std::move(socket)));
        if (self->acceptor.is_open()) self->Accept();
      });
    }

    Tcp::acceptor acceptor;
    const Network::OnAccepted on_accepted;
  };
  explicit Accepting(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Accepting() override {
    Error ignored;
    state_->acceptor.close(ignored);
  }
  uint16_t port() const override {
    Error ignored;
    return state_->acceptor.local_endpoint(ignored).port();
  }

 private:
  const std::shared_ptr<State> state_;
};

absl::StatusOr<std::unique_ptr<Network::Acceptor>> TcpNetwork::Listen(const std::string& endpoint,
                                                                      OnAccepted on_accepted) {
  WL_ASSIGN_OR_RETURN(const auto parts, SplitEndpoint(endpoint));
  auto state = std::make_shared<Accepting::State>(&context_, std::move(on_accepted));
  Error error;
  Tcp::resolver resolver(context_);
  const auto found = resolver.resolve(parts.first, parts.second, Tcp::resolver::passive, error);
  if (!error) {
    const Tcp::endpoint address = found.begin()->endpoint();
    state->acceptor.open(address.protocol(), error);
    if (!error) state->acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error) state->acceptor.bind(address, error);
    if (!error) state->acceptor.listen(16, error);
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", endpoint, ": ", error.message()));
  }
  state->Accept();
  return std::make_unique<Accepting>(std::move(state));
}

}  // namespace

std::unique_ptr<Network> MakeTcpNetwork() { return std::make_unique<TcpNetwork>(); }

}  // namespace waferline::link
