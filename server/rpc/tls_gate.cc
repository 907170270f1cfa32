#include "server/rpc/tls_gate.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace waferline::rpc {
namespace {

using tls::Refusal;

constexpr uint8_t kHandshakeRecord = 22;  // RFC 8446, 5.1

}  // namespace

TlsGate::~TlsGate() {
  for (const Pending& one : pending_) close(one.descriptor);
}

void TlsGate::AppendTo(std::vector<pollfd>* watched) const {
  for (const Pending& one : pending_) watched->push_back({one.descriptor, POLLIN, 0});
}

std::vector<int> TlsGate::Take() {
  std::vector<int> begun;
  const Nanoseconds now = now_();
  const bool crowded = full();
  std::erase_if(pending_, [&](const Pending& one) {
    uint8_t first = 0;
    const ssize_t got = recv(one.descriptor, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      const Nanoseconds age = now - one.since;
      if (age <= kPatience && !(crowded && age > kPatienceWhenFull)) return false;
      Refuse(one, age > kPatience ? tls::Refused{Refusal::kTooSlow, "it has said nothing"}
                                  : tls::Refused{Refusal::kTooMany,
                                                 "it was the oldest of too many handshakes"});
    } else if (got <= 0) {
      Refuse(one, {Refusal::kClosed, "the peer closed the connection"});
    } else if (first != kHandshakeRecord) {
      Refuse(one, {Refusal::kPlainClient, "it does not speak TLS"});
    } else {
      begun.push_back(one.descriptor);
    }
    return true;
  });
  return begun;
}

void TlsGate::Refuse(const Pending& one, const tls::Refused& why) {
  close(one.descriptor);
  on_refused_(why);
}

}  // namespace waferline::rpc
