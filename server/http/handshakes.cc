#include "server/http/handshakes.h"

#include <algorithm>
#include <utility>

#include "server/http/connection.h"

namespace waferline::http {
namespace {
// An honest peer is done by then; while others wait, no other gets more.
constexpr Nanoseconds kPatienceWhenFull = Seconds(1);
}  // namespace

void Handshakes::Begin(Connection* connection, Nanoseconds now) {
  all_.push_back({connection, now});
}

void Handshakes::End(Connection* connection) {
  std::erase_if(all_, [connection](const One& one) { return one.connection == connection; });
  if (full()) return;
  if (const auto room = std::exchange(room_, nullptr)) room();
}

void Handshakes::Tick(Nanoseconds now) {
  while (!all_.empty()) {
    const Nanoseconds age = now - all_.front().since;
    const bool crowded = room_ != nullptr && full() && age > kPatienceWhenFull;
    if (age <= patience_ && !crowded) return;
    Connection* const oldest = all_.front().connection;
    oldest->RefuseHandshake(
        crowded && age <= patience_
            ? tls::Refused{tls::Refusal::kTooMany, "its handshake was the oldest of too many"}
            : tls::Refused{tls::Refusal::kTooSlow, "its handshake took too long"});
  }
}

}  // namespace waferline::http
