// The keys and certificates of this process, from files that others rotate, as an OpenSSL
// context for new connections: TLS 1.3, no resumption. Those that are open keep what they began
// with.
//
// The files are looked at when a connection begins and `reload` has passed since the last look;
// what has changed (time, size, inode) is loaded. Files that cannot be used (a key that does not
// fit its certificate: they are being replaced) change nothing, and are remarked on once.
//
// Owner: the part that listens or connects. Thread: any. Cost: three stat calls for a look.
#pragma once

#include <openssl/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/tls/identity.h"
#include "wafer_backend/base/tls/refusal.h"
#include "wafer_backend/base/tls/roles.h"
#include "wafer_backend/base/units.h"

namespace waferline::tls {

enum class PeerCertificates : uint8_t { kOptional, kRequired };

struct CredentialOptions {
  std::string cert;  // PEM: own certificate, then those between it and its CA
  std::string key;   // PEM
  std::string ca;    // PEM, any number of CAs; "": peers are not asked for certificates
  Nanoseconds reload = Seconds(30);
  std::string trust_domain;  // of peers; "": the own certificate's
  PeerCertificates peers = PeerCertificates::kOptional;
  std::string alpn;  // the one protocol that is spoken; "": not negotiated
  bool alpn_required = false;
};

// What is known of a peer whose handshake is complete.
struct PeerCheck {
  std::optional<Refused> refused;
  std::shared_ptr<const Identity> identity;  // null: it has no certificate, and needs none
};

class Credentials {
 public:
  // InvalidArgument or the file's error, naming the file. `on_remark` is called on any thread.
  static absl::StatusOr<std::unique_ptr<Credentials>> Load(
      CredentialOptions options, std::function<void(const std::string&)> on_remark);
  ~Credentials();

  // For a connection that begins now, of either side.
  std::shared_ptr<SSL_CTX> Current(Nanoseconds now);

  // Whether a peer may call `door`, whose handshake with this has succeeded.
  PeerCheck CheckCaller(const SSL* ssl, Door door) const;
  // Whether a peer that was called is what should listen at `door`.
  PeerCheck CheckAnswering(const SSL* ssl, Door door) const;
  // CheckCaller for who has done the handshake without checking its certificate. PEM; "" for none.
  PeerCheck CheckUnverifiedCaller(const std::string& chain, Door door) const;

  // Of the own certificate: when it ends, in Unix seconds; its identity, none if it has none of our
  // form; and why its time is not now, "" if it is.
  int64_t expires_unix() const;
  std::optional<Identity> own_identity() const;
  std::string Untimely(int64_t now_unix) const;
  const CredentialOptions& options() const { return options_; }

 private:
  struct Stamp {
    std::array<int64_t, 12> facts{};  // of each file: time, its nanoseconds, size, inode
    bool operator==(const Stamp&) const = default;
  };
  struct Loaded;
  explicit Credentials(CredentialOptions options,
                       std::function<void(const std::string&)> on_remark);
  Stamp Look() const;
  absl::StatusOr<std::shared_ptr<const Loaded>> Read() const;
  std::shared_ptr<const Loaded> loaded() const;
  PeerCheck Check(const X509* leaf, Door door, bool calls) const;

  const CredentialOptions options_;
  const std::function<void(const std::string&)> on_remark_;
  mutable Mutex mutex_;
  std::shared_ptr<const Loaded> loaded_ ABSL_GUARDED_BY(mutex_);
  Stamp stamp_ ABSL_GUARDED_BY(mutex_);
  std::optional<Nanoseconds> looked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::tls
