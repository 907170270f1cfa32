#include "wafer_backend/base/tls/credentials.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/base/tls/certificates.h"

namespace waferline::tls {
namespace {

std::string LastError() {
  // The first one is the cause, the later ones who failed by it.
  const unsigned long error = ERR_peek_error();
  const char* reason = ERR_SYSTEM_ERROR(error) ? std::strerror(ERR_GET_REASON(error))
                                               : ERR_reason_error_string(error);
  ERR_clear_error();
  return reason == nullptr ? "it cannot be read" : reason;
}

absl::Status Unusable(std::string_view field, const std::string& path) {
  const char* const expected = field == "key"
                                   ? "the certificate's private key in PEM form, not encrypted"
                                   : "certificates in PEM form";
  return absl::InvalidArgumentError(
      absl::StrCat("tls.", Absl(field), ": ", path, ": ", LastError(), "; expected ", expected));
}

// What OpenSSL would wait for, or read without a bound.
absl::Status CheckFiles(const CredentialOptions& options) {
  constexpr size_t kMaxPemBytes = 1 << 20;
  for (const auto& [field, path] : {std::pair{"cert", &options.cert},
                                    std::pair{"key", &options.key}, std::pair{"ca", &options.ca}}) {
    if (path->empty()) continue;
    const absl::Status file = CheckRegularFile(*path, kMaxPemBytes);
    if (absl::IsInvalidArgument(file)) {
      return absl::InvalidArgumentError(absl::StrCat("tls.", field, ": ", file.message()));
    }
  }
  return absl::OkStatus();
}

// Without asking for a password at the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

std::string UtcText(int64_t unix_seconds) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(unix_seconds),
                          absl::UTCTimeZone());
}

// Takes the one protocol that is spoken here, if the client offers it.
int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* offered, unsigned offered_size, void* argument) {
  const auto& options = *static_cast<const CredentialOptions*>(argument);
  for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
    const std::string_view one(reinterpret_cast<const char*>(offered + at + 1), offered[at]);
    if (one != options.alpn) continue;
    *out = offered + at + 1;
    *out_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return options.alpn_required ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

struct Credentials::Loaded {
  std::shared_ptr<SSL_CTX> context;
  int64_t begins_unix = 0;
  int64_t expires_unix = 0;
  std::optional<Identity> own;
  std::string cloud;   // of the own identity; "": it has none
  std::string domain;  // of peers
};

Credentials::Credentials(CredentialOptions options,
                         std::function<void(const std::string&)> on_remark)
    : options_(std::move(options)), on_remark_(std::move(on_remark)) {}
Credentials::~Credentials() = default;

absl::StatusOr<std::unique_ptr<Credentials>> Credentials::Load(
    CredentialOptions options, std::function<void(const std::string&)> on_remark) {
  auto made =
      std::unique_ptr<Credentials>(new Credentials(std::move(options), std::move(on_remark)));
  constexpr int kMaxReadings = 8;  // of files that change while they are read
  Stamp stamp = made->Look();
  auto loaded = made->Read();
  for (int reading = 1; reading < kMaxReadings && !loaded.ok(); ++reading) {
    const Stamp now = made->Look();
    if (now == stamp) break;
    stamp = now;
    loaded = made->Read();
  }
  if (!loaded.ok()) return loaded.status();
  MutexLock lock(&made->mutex_);
  made->stamp_ = stamp;
  made->loaded_ = *std::move(loaded);
  return made;
}

Credentials::Stamp Credentials::Look() const {
  Stamp stamp;
  size_t at = 0;
  for (const std::string* path : {&options_.cert, &options_.key, &options_.ca}) {
    struct stat file {};
    if (!path->empty() && stat(path->c_str(), &file) == 0) {
      stamp.facts[at] = file.st_mtim.tv_sec;
      stamp.facts[at + 1] = file.st_mtim.tv_nsec;
      stamp.facts[at + 2] = file.st_size;
      stamp.facts[at + 3] = static_cast<int64_t>(file.st_ino);
    }
    at += 4;
  }
  return stamp;
}

absl::StatusOr<std::shared_ptr<const Credentials::Loaded>> Credentials::Read() const {
  WL_RETURN_IF_ERROR(CheckFiles(options_));
  ERR_clear_error();
  auto loaded = std::make_shared<Loaded>();
  loaded->context = std::shared_ptr<SSL_CTX>(SSL_CTX_new(TLS_method()), &SSL_CTX_free);
  SSL_CTX* const context = loaded->context.get();
  if (context == nullptr) return absl::InternalError("OpenSSL gives no context");
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(context, &NoPassword);
  if (SSL_CTX_use_certificate_chain_file(context, options_.cert.c_str()) != 1) {
    return Unusable("cert", options_.cert);
  }
  if (SSL_CTX_use_PrivateKey_file(context, options_.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Unusable("key", options_.key);
  }
  if (SSL_CTX_check_private_key(context) != 1) return Unusable("key", options_.key);
  if (!options_.ca.empty()) {
    if (SSL_CTX_load_verify_file(context, options_.ca.c_str()) != 1) {
      return Unusable("ca", options_.ca);
    }
    const bool required = options_.peers == PeerCertificates::kRequired;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
  }
  if (!options_.alpn.empty()) {
    const std::string offer = static_cast<char>(options_.alpn.size()) + options_.alpn;
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(offer.data()),
                            static_cast<unsigned>(offer.size()));
    SSL_CTX_set_alpn_select_cb(context, &SelectProtocol, const_cast<CredentialOptions*>(&options_));
  }
  const X509* own = SSL_CTX_get0_certificate(context);
  loaded->begins_unix = UnixSecondsOf(X509_get0_notBefore(own));
  loaded->expires_unix = UnixSecondsOf(X509_get0_notAfter(own));
  loaded->domain = options_.trust_domain;
  if (const auto identity = ParseIdentity(UriNameOf(own)); identity.ok()) {
    loaded->own = *identity;
    loaded->cloud = identity->cloud;
    if (loaded->domain.empty()) loaded->domain = identity->trust_domain;
  }
  if (!options_.ca.empty() && loaded->domain.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tls.cert: ", options_.cert,
                     " has no SPIFFE identity, so the trust domain of peers must be given"));
  }
  return loaded;
}

std::shared_ptr<SSL_CTX> Credentials::Current(Nanoseconds now) {
  std::string remark;
  std::shared_ptr<SSL_CTX> context;
  {
    MutexLock lock(&mutex_);
    if (!looked_ || now - *looked_ >= options_.reload) {
      looked_ = now;
      const Stamp stamp = Look();
      if (!(stamp == stamp_)) {
        auto fresh = Read();
        if (fresh.ok()) {
          loaded_ = *std::move(fresh);
        } else {
          remark = absl::StrCat("changed files are not used: ", fresh.status().message());
        }
        stamp_ = stamp;
      }
    }
    context = loaded_->context;
  }
  if (!remark.empty() && on_remark_) on_remark_(remark);
  return context;
}

std::shared_ptr<const Credentials::Loaded> Credentials::loaded() const {
  MutexLock lock(&mutex_);
  return loaded_;
}

std::optional<Identity> Credentials::own_identity() const { return loaded()->own; }

std::string Credentials::Untimely(int64_t now_unix) const {
  const auto now = loaded();
  if (now_unix >= now->expires_unix) {
    return absl::StrCat("ended at ", UtcText(now->expires_unix));
  }
  if (now_unix >= now->begins_unix) return "";
  return absl::StrCat("is not valid before ", UtcText(now->begins_unix));
}

int64_t Credentials::expires_unix() const { return loaded()->expires_unix; }

PeerCheck Credentials::Check(const X509* leaf, Door door, bool calls) const {
  if (leaf == nullptr) {
    if (options_.peers == PeerCertificates::kOptional) return {};
    return {.refused =
                Refused{Refusal::kNoCertificate, "it must have a certificate, and sent none"}};
  }
  auto identity = ParseIdentity(UriNameOf(leaf));
  if (!identity.ok()) {
    return {.refused = Refused{Refusal::kNoIdentity, std::string(identity.status().message())}};
  }
  const auto refuse = [&](Refusal why, std::string_view what) {
    return PeerCheck{.refused = Refused{why, absl::StrCat(identity->uri, Absl(what))}};
  };
  const auto own = loaded();
  if (identity->trust_domain != own->domain) {
    return refuse(Refusal::kWrongDomain, " is not of " + own->domain);
  }
  if (!own->cloud.empty() && identity->cloud != own->cloud) {
    return refuse(Refusal::kWrongCloud, " is not of cloud " + own->cloud);
  }
  const bool may = calls ? MayCall(identity->role, door) : MayAnswer(identity->role, door);
  if (!may) {
    return refuse(Refusal::kWrongRole,
                  absl::StrCat(" may not ", calls ? "call" : "answer as", " ", Absl(Name(door))));
  }
  return {.identity = std::make_shared<const Identity>(*std::move(identity))};
}

PeerCheck Credentials::CheckCaller(const SSL* ssl, Door door) const {
  return Check(SSL_get0_peer_certificate(ssl), door, true);
}

PeerCheck Credentials::CheckAnswering(const SSL* ssl, Door door) const {
  return Check(SSL_get0_peer_certificate(ssl), door, false);
}

PeerCheck Credentials::CheckUnverifiedCaller(const std::string& chain, Door door) const {
  const std::vector<X509Owner> certificates = CertificatesOf(chain);
  if (certificates.empty() || options_.ca.empty()) return Check(nullptr, door, true);
  const auto loaded = this->loaded();
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> check(X509_STORE_CTX_new(),
                                                                              &X509_STORE_CTX_free);
  STACK_OF(X509)* between = sk_X509_new_null();
  for (const X509Owner& one : certificates) sk_X509_push(between, one.get());
  X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(loaded->context.get()),
                      certificates.front().get(), between);
  X509_STORE_CTX_set_default(check.get(), "ssl_client");
  const bool verified = X509_verify_cert(check.get()) == 1;
  const int error = X509_STORE_CTX_get_error(check.get());
  sk_X509_free(between);
  ERR_clear_error();
  if (!verified) return {.refused = WhyNotVerified(error)};
  return Check(certificates.front().get(), door, true);
}

}  // namespace waferline::tls
