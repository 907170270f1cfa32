// Connections that were accepted for TLS, until their first byte is here: one that cannot begin a
// handshake is refused by name instead of inside gRPC, and peers that say nothing are bounded in
// number and time. What comes after the first byte is gRPC's, with its own bound
// (GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS).
//
// Owner: GrpcListener; thread: the one that accepts.
#pragma once

#include <poll.h>

#include <deque>
#include <functional>
#include <vector>

#include "wafer_backend/base/tls/refusal.h"
#include "wafer_backend/base/units.h"

namespace waferline::rpc {

class TlsGate {
 public:
  static constexpr size_t kMaxPending = 64;
  static constexpr Nanoseconds kPatience = Seconds(5);
  static constexpr Nanoseconds kPatienceWhenFull = Seconds(1);

  TlsGate(std::function<Nanoseconds()> now, std::function<void(const tls::Refused&)> on_refused)
      : now_(std::move(now)), on_refused_(std::move(on_refused)) {}
  ~TlsGate();

  bool full() const { return pending_.size() >= kMaxPending; }
  bool empty() const { return pending_.empty(); }
  void Add(int descriptor) { pending_.push_back({descriptor, now_()}); }  // owns it; not when full
  void AppendTo(std::vector<pollfd>* watched) const;
  // Gives those that have begun a handshake; refuses others and those that are overdue.
  std::vector<int> Take();

 private:
  struct Pending {
    int descriptor;
    Nanoseconds since;
  };
  void Refuse(const Pending& one, const tls::Refused& why);

  const std::function<Nanoseconds()> now_;
  const std::function<void(const tls::Refused&)> on_refused_;
  std::deque<Pending> pending_;  // oldest first
};

}  // namespace waferline::rpc
