#include "wafer_backend/compute/link/tls_layer.h"

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::link {
namespace {

absl::Status StatusOf(const tls::Refused& refused) {
  return absl::UnauthenticatedError(
      absl::StrCat("TLS: ", Absl(tls::Name(refused.why)), ": ", refused.detail));
}

// An alert, which the library leaves out: so the peer, which speaks plain TCP, sees why. A record
// of TLS 1.2's form (RFC 8446, 5.1 and 6): fatal, protocol_version.
void AnswerPlain(std::vector<uint8_t>* wire) { *wire = {kTlsAlert, 3, 3, 0, 2, 2, 70}; }

}  // namespace

bool BeginsTls(std::span<const uint8_t> bytes) {
  constexpr uint8_t kHandshake = 22;
  return bytes.size() >= 3 && (bytes[0] == kHandshake || bytes[0] == kTlsAlert) && bytes[1] == 3 &&
         bytes[2] >= 1 && bytes[2] <= 4;
}

TlsLayer::TlsLayer(const LinkSecurity& security, bool is_client, Nanoseconds now)
    : security_(security),
      is_client_(is_client),
      session_(security.credentials->Current(now).get(), is_client) {}

absl::Status TlsLayer::Begin(std::vector<uint8_t>* wire) {
  if (!is_client_) return absl::OkStatus();
  const auto failed = session_.Proceed(wire);
  return failed ? StatusOf(*failed) : absl::OkStatus();
}

absl::Status TlsLayer::Receive(std::span<const uint8_t> cipher, std::vector<uint8_t>* plain,
                               std::vector<uint8_t>* wire) {
  const size_t had = plain->size();
  if (const auto failed = session_.Receive(cipher, plain, wire)) {
    if (failed->why == tls::Refusal::kPlainClient) AnswerPlain(wire);
    return StatusOf(*failed);
  }
  if (open_ || !session_.complete()) return absl::OkStatus();
  const tls::PeerCheck check =
      is_client_ ? security_.credentials->CheckAnswering(session_.ssl(), tls::Door::kShard)
                 : security_.credentials->CheckCaller(session_.ssl(), security_.door);
  if (check.refused) {
    plain->resize(had);
    return StatusOf(*check.refused);
  }
  open_ = true;
  if (!held_.empty()) session_.Send(held_, wire);
  held_ = {};
  return absl::OkStatus();
}

void TlsLayer::Send(std::span<const uint8_t> frame, std::vector<uint8_t>* wire) {
  if (open_) return session_.Send(frame, wire);
  held_.insert(held_.end(), frame.begin(), frame.end());
}

}  // namespace waferline::link
