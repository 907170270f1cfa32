// New connections of a worker until their hello has come: a bounded number for a bounded time, so
// that peers who connect and say nothing keep no one else out.
//
// Owner: the worker's server; thread: its reactor's. Refused and closed peers are remarked on, with
// how many there were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/link/reactor.h"
#include "wafer_backend/compute/link/typed_link.h"

namespace waferline::link {

class PendingPeers {
 public:
  static constexpr size_t kMaxPeers = 16;  // one more closes the oldest
  static constexpr Nanoseconds kPatience = Seconds(5);

  struct Events {
    // Whether a peer with this hello fits. If not it is sent the reason, before it is closed.
    std::function<absl::Status(const HelloFrame& theirs)> check;
    // It does, and is sent this.
    std::function<HelloFrame()> ours;
    // The connection is then the caller's. Needs a Start of its own.
    std::function<void(const HelloFrame& theirs, std::unique_ptr<Connection>)> on_greeted;
    std::function<void(const std::string& remark)> on_remark;  // optional
  };
  PendingPeers(Reactor* reactor, Events events);

  void Add(std::unique_ptr<Connection> connection);
  // Closes those whose hello is overdue. To be called periodically, from outside of handlers.
  void Watch();

 private:
  struct Peer {
    explicit Peer(std::unique_ptr<Connection> taken) : connection(std::move(taken)) {}
    std::unique_ptr<Connection> connection;
    GreetingInlet inlet;
    Nanoseconds since;
  };
  absl::Status Accept(Peer* peer, std::span<const uint8_t> bytes);
  absl::Status OnHello(Peer* peer, const HelloFrame& theirs);
  void Refuse(Peer* peer, const absl::Status& why);
  std::unique_ptr<Connection> Detach(Peer* peer);

  Reactor* const reactor_;
  const Events events_;
  std::vector<std::unique_ptr<Peer>> peers_;     // oldest first
  std::vector<std::unique_ptr<Peer>> detached_;  // kept until no handler of theirs runs
  uint64_t refused_ = 0;
};

}  // namespace waferline::link
