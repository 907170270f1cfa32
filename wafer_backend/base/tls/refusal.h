// Why a peer was not let in, as a fixed set of names: for logs and for a counter's label. Any
// thread.
#pragma once

#include <openssl/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace waferline::tls {

enum class Refusal : uint8_t {
  kPlainClient,    // it does not speak TLS
  kPlainServer,    // the same of who was called
  kOldVersion,     // it does not speak TLS 1.3
  kNoCertificate,  // it has none, and must have one
  kExpired,
  kNotYetValid,
  kUnknownIssuer,  // none of our CAs issued it
  kNoIdentity,     // a certificate without an identity that we know
  kWrongDomain,    // of another trust domain
  kWrongCloud,     // of another cloud
  kWrongRole,      // its role may not call this
  kTooSlow,        // its handshake took too long
  kTooMany,        // too many handshakes at once, and this was the oldest
  kClosed,         // it left in the middle of the handshake
  kOther,
};
inline constexpr size_t kRefusals = 15;
std::string_view Name(Refusal refusal);

struct Refused {
  Refusal why = Refusal::kOther;
  std::string detail;  // for people; may quote the peer's certificate
};

// Why a handshake failed. `error` is OpenSSL's packed code (ERR_get_error), 0: the peer closed.
Refused WhyFailed(const SSL* ssl, unsigned long error);
// Of a certificate's check (X509_V_ERR_...).
Refused WhyNotVerified(long verify_error);

}  // namespace waferline::tls
