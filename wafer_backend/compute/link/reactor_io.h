// What the reactor and its connections share, for the .cc files of this folder only.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "wafer_backend/compute/link/network.h"
#include "wafer_backend/compute/link/reactor.h"

namespace waferline::link {

// A connection, as the reactor supervises it.
class Watched {
 public:
  virtual ~Watched() = default;
  virtual void Beat(Nanoseconds now, const Liveness& liveness) = 0;
  // Closes a connection whose peer is silent.
  virtual void CheckPeer(Nanoseconds now, const Liveness& liveness) = 0;
  // This process did not run for a while: the peer has at least half of the patience from now on.
  virtual void Excuse(Nanoseconds now, const Liveness& liveness) = 0;
};

struct Reactor::Io {
  Io(const Liveness& times, LinkSecurity protection, std::unique_ptr<Network> sockets)
      : liveness(times), security(std::move(protection)), network(std::move(sockets)) {}

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
