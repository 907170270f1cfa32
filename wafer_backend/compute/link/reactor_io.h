// What the reactor and its connections share, for the .cc files of this folder only.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "wafer_backend/compute/link/network.h"
#include "wafer_backend/compute/link/reactor.h"

namespace waferline::link {

// A connection, as the reactor looks after it.
class Watched {
 public:
  virtual ~Watched() = default;
  virtual void Beat(Nanoseconds now, const Liveness& liveness) = 0;
  // Closes a connection whose peer is silent.
  virtual void CheckPeer(Nanoseconds now, const Liveness& liveness) = 0;
  // This side was away: the peer has at least half of the patience from now on.
  virtual void Excuse(Nanoseconds now, const Liveness& liveness) = 0;
};

struct Reactor::Io {
  Io(const Liveness& how, LinkSecurity protects, std::unique_ptr<Network> stands_on)
      : liveness(how), security(std::move(protects)), network(std::move(stands_on)) {}

  const Liveness liveness;
  const LinkSecurity security;
  std::vector<std::weak_ptr<Watched>> watched;  // pruned as it is gone through
  Nanoseconds awake;                            // last seen running
  Nanoseconds beaten;                           // last gone through for heartbeats
  Nanoseconds checked;                          // and for silent peers
  const std::unique_ptr<Network> network;       // dies first: handlers may hold connections
};

// A connection on a socket that was connected by us (`is_client`) or by the peer.
std::unique_ptr<Connection> MakeConnection(Reactor* reactor, std::unique_ptr<Socket> socket,
                                           bool is_client);

}  // namespace waferline::link
