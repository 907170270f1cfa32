// Asio's side of the reactor, for the .cc files of this folder only.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/link/reactor.h"

namespace waferline::link {

using Tcp = boost::asio::ip::tcp;

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
  Io(const Liveness& how, LinkSecurity protects) : liveness(how), security(std::move(protects)) {}

  const Liveness liveness;
  const LinkSecurity security;
  std::vector<std::weak_ptr<Watched>> watched;  // pruned as it is gone through
  Nanoseconds awake;                            // last seen running
  Nanoseconds beaten;                           // last gone through for heartbeats
  Nanoseconds checked;                          // and for silent peers
  boost::asio::io_context context{1};           // one thread runs it
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep{
      context.get_executor()};
  std::atomic<bool> woken{false};
};

// A connection on a socket that is connected, by us (`is_client`) or by the peer.
std::unique_ptr<Connection> MakeConnection(Reactor* reactor, Tcp::socket socket, bool is_client);

// "host:port" apart; InvalidArgument if it is not that.
absl::StatusOr<std::pair<std::string, std::string>> SplitEndpoint(const std::string& endpoint);

}  // namespace waferline::link
