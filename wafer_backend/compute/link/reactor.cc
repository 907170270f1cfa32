#include "wafer_backend/compute/link/reactor.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/reactor_io.h"

namespace waferline::link {
namespace {

using Error = boost::system::error_code;

absl::Status Unreachable(const std::string& endpoint, const std::string& why) {
  return absl::UnavailableError(absl::StrCat("cannot connect to ", endpoint, ": ", why));
}

}  // namespace

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

Reactor::Reactor(const Liveness& liveness, LinkSecurity security)
    : io_(std::make_unique<Io>(liveness, std::move(security))) {
  io_->awake = io_->beaten = io_->checked = Now();
}

Reactor::~Reactor() {
  // What was cancelled by the death of its owner still has a handler to run.
  io_->keep.reset();
  io_->context.restart();
  io_->context.poll();
}

void Reactor::Turn(Nanoseconds patience) {
  io_->context.restart();
  if (io_->context.poll() == 0 && patience > Nanoseconds(0) &&
      io_->context.run_one_for(std::chrono::nanoseconds(patience.count())) > 0) {
    io_->context.poll();
  }
  Watch();
}

void Reactor::ReportTo(std::shared_ptr<Vitals> vitals) { vitals_ = std::move(vitals); }

void Reactor::Beat() {
  const Nanoseconds now = Now();
  io_->awake = now;
  vitals_->awake_ns.store(now.count(), std::memory_order_relaxed);
  if (now - io_->beaten < io_->liveness.interval / 4) return;
  io_->beaten = now;
  std::erase_if(io_->watched, [](const auto& each) { return each.expired(); });
  for (const auto& each : io_->watched) {
    if (const auto connection = each.lock()) connection->Beat(now, io_->liveness);
  }
}

// After a poll: what peers have sent is read. Silence counts only while this side was there to
// hear it: after a pause of its own (stopped, or its machine was) peers may have been stopped too.
void Reactor::Watch() {
  const Nanoseconds now = Now();
  const bool away = now - io_->awake > io_->liveness.patience / 3;
  Beat();
  if (!away && now - io_->checked < io_->liveness.interval / 4) return;
  io_->checked = now;
  const auto watched = io_->watched;  // who is lost may be replaced meanwhile
  for (const auto& each : watched) {
    const auto connection = each.lock();
    if (connection == nullptr) continue;
    if (away) connection->Excuse(now, io_->liveness);
    connection->CheckPeer(now, io_->liveness);
  }
}

void Reactor::Wake() {
  if (io_->woken.exchange(true)) return;
  boost::asio::post(io_->context, [this] { io_->woken = false; });
}

Nanoseconds Reactor::Now() const {
  return Nanoseconds(std::chrono::duration_cast<std::chrono::nanoseconds>(
                         std::chrono::steady_clock::now().time_since_epoch())
                         .count());
}

struct ConnectAttempt::State {
  State(Reactor* turned_by, std::string to, Done on_done)
      : reactor(turned_by),
        endpoint(std::move(to)),
        done(std::move(on_done)),
        resolver(turned_by->io().context),
        socket(turned_by->io().context),
        timer(turned_by->io().context) {}

  void Finish(absl::StatusOr<std::unique_ptr<Connection>> result) {
    if (!done) return;
    const Done call = std::exchange(done, nullptr);
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

  Reactor* const reactor;
  const std::string endpoint;
  Done done;
  Tcp::resolver resolver;
  Tcp::socket socket;
  boost::asio::steady_timer timer;
};

ConnectAttempt::ConnectAttempt(Reactor* reactor, const std::string& endpoint, Nanoseconds timeout,
                               Done done)
    : state_(std::make_shared<State>(reactor, endpoint, std::move(done))) {
  const auto state = state_;
  const auto parts = SplitEndpoint(endpoint);
  if (!parts.ok()) {
    boost::asio::post(reactor->io().context,
                      [state, status = parts.status()] { state->Finish(status); });
    return;
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
          state->Finish(MakeConnection(state->reactor, std::move(state->socket), true));
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
}

ConnectAttempt::~ConnectAttempt() { state_->Stop(); }

struct Listener::State : std::enable_shared_from_this<Listener::State> {
  explicit State(Reactor* turned_by) : reactor(turned_by), acceptor(turned_by->io().context) {}

  void Accept() {
    acceptor.async_accept([self = shared_from_this()](const Error& error, Tcp::socket socket) {
      if (!self->acceptor.is_open()) return;
      if (!error) self->on_connection(MakeConnection(self->reactor, std::move(socket), false));
      if (self->acceptor.is_open()) self->Accept();
    });
  }

  Reactor* const reactor;
  Tcp::acceptor acceptor;
  OnConnection on_connection;
};

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(Reactor* reactor,
                                                         const std::string& endpoint,
                                                         OnConnection on_connection) {
  WL_ASSIGN_OR_RETURN(const auto parts, SplitEndpoint(endpoint));
  auto state = std::make_shared<State>(reactor);
  state->on_connection = std::move(on_connection);
  Error error;
  Tcp::resolver resolver(reactor->io().context);
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
  return std::unique_ptr<Listener>(new Listener(std::move(state)));
}

Listener::~Listener() {
  Error ignored;
  state_->acceptor.close(ignored);
}

uint16_t Listener::port() const {
  Error ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

}  // namespace waferline::link
