// One TLS connection without I/O: cipher text of the peer goes in, plain text comes out, and the
// other way round. For connections that have a socket loop of their own.
//
// Owner: the connection; thread: its own. Cost: a copy each way beyond the cipher. Bounds: what was
// put in is taken out before more is put in; what is written before the handshake is complete is
// held, and the caller bounds it.
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "wafer_backend/base/tls/refusal.h"

namespace waferline::tls {

class Session {
 public:
  // Begins a handshake; a client's first bytes are in `out` of the next call.
  Session(SSL_CTX* context, bool is_client);

  // What the peer sent. Appends the plain text to `plain` and what must be sent to `out`. Why the
  // session is over, if it is (kClosed: the peer said so).
  std::optional<Refused> Receive(std::span<const uint8_t> cipher, std::vector<uint8_t>* plain,
                                 std::vector<uint8_t>* out);
  // Appends the cipher text of `plain` to `out`; only when the handshake is complete.
  void Send(std::span<const uint8_t> plain, std::vector<uint8_t>* out);
  // What must be sent to go on with the handshake.
  std::optional<Refused> Proceed(std::vector<uint8_t>* out);

  bool complete() const;  // the handshake
  const SSL* ssl() const { return ssl_.get(); }

 private:
  void Drain(std::vector<uint8_t>* out);

  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  BIO* from_peer_;  // both are the SSL's
  BIO* to_peer_;
};

}  // namespace waferline::tls
