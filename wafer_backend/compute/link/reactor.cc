#include "wafer_backend/compute/link/reactor.h"

#include <utility>

#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/link/reactor_io.h"
#include "wafer_backend/compute/link/tcp_network.h"

namespace waferline::link {
namespace {

std::unique_ptr<Network> NetworkOfThisThread() {
  NetworkedMachine* const machine = NetworkedMachine::OfThisThread();
  return machine != nullptr ? machine->MakeNetwork() : MakeTcpNetwork();
}

}  // namespace

Reactor::Reactor(const Liveness& liveness, LinkSecurity security)
    : io_(std::make_unique<Io>(liveness, std::move(security), NetworkOfThisThread())) {
  io_->awake = io_->beaten = io_->checked = Now();
}

Reactor::~Reactor() = default;

void Reactor::Turn(Nanoseconds patience) {
  io_->network->Turn(patience);
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

void Reactor::Wake() { io_->network->Wake(); }

Nanoseconds Reactor::Now() const { return io_->network->Now(); }

ConnectAttempt::ConnectAttempt(Reactor* reactor, const std::string& endpoint, Nanoseconds timeout,
                               Done done)
    : pending_(reactor->io().network->Connect(
          endpoint, timeout,
          [reactor, done = std::move(done)](absl::StatusOr<std::unique_ptr<Socket>> socket) {
            if (!socket.ok()) return done(socket.status());
            done(MakeConnection(reactor, *std::move(socket), true));
          })) {}

ConnectAttempt::~ConnectAttempt() = default;

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(Reactor* reactor,
                                                         const std::string& endpoint,
                                                         OnConnection on_connection) {
  WL_ASSIGN_OR_RETURN(
      auto acceptor,
      reactor->io().network->Listen(endpoint, [reactor, on_connection = std::move(on_connection)](
                                                  std::unique_ptr<Socket> socket) {
        on_connection(MakeConnection(reactor, std::move(socket), false));
      }));
  return std::unique_ptr<Listener>(new Listener(std::move(acceptor)));
}

Listener::~Listener() = default;

uint16_t Listener::port() const { return acceptor_->port(); }

}  // namespace waferline::link
