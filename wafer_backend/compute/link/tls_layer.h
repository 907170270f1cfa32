// TLS beneath the frames of one connection: what is pushed goes through it on its way to the
// socket, what the socket brings before it is cut into frames. Both ends show certificates; who the
// peer is and whether it may be here is checked when the handshake is complete, and only then do
// frames pass.
//
// Owner: the connection; thread: its reactor's. Bounds: frames pushed before the handshake is
// complete are held, and count in held_bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/base/tls/credentials.h"
#include "wafer_backend/base/tls/session.h"
#include "wafer_backend/base/units.h"

namespace waferline::link {

// How a reactor protects its connections.
struct LinkSecurity {
  std::shared_ptr<tls::Credentials> credentials;  // null: plain
  tls::Door door = tls::Door::kShard;             // what listens here
};

constexpr uint8_t kTlsAlert = 21;  // what such a record begins with

// A record of a TLS handshake, or an alert. As the length of a frame it would be above 64 KiB; what
// a plain peer says first is a short greeting.
bool BeginsTls(std::span<const uint8_t> bytes);

class TlsLayer {
 public:
  TlsLayer(const LinkSecurity& security, bool is_client, Nanoseconds now);

  // Each appends to `wire` what must be sent. Unauthenticated: the connection is over, for the
  // reason that is named; what is on `wire` should still be sent.
  absl::Status Begin(std::vector<uint8_t>* wire);
  absl::Status Receive(std::span<const uint8_t> cipher, std::vector<uint8_t>* plain,
                       std::vector<uint8_t>* wire);
  void Send(std::span<const uint8_t> frame, std::vector<uint8_t>* wire);

  bool open() const { return open_; }  // the peer was checked; frames pass
  size_t held_bytes() const { return held_.size(); }

 private:
  const LinkSecurity security_;
  const bool is_client_;
  tls::Session session_;
  bool open_ = false;
  std::vector<uint8_t> held_;  // pushed before that
};

}  // namespace waferline::link
