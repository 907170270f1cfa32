#include "client/sdk/port_probe.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <boost/asio/ssl/context.hpp>
#include <csignal>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/sdk/tls_files.h"
#include "wafer_backend/base/tls/certificates.h"

namespace waferline::sdk {
namespace {

using Protocol = Endpoint::Protocol;

constexpr timeval kPatience{.tv_sec = 2};
constexpr const char* kWhereElse =
    "; --server needs an address that waferd printed when it was ready";

class Socket {
 public:
  // Connected, with bounds on what it waits for; descriptor() < 0: nothing listens.
  explicit Socket(const Endpoint& endpoint) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* all = nullptr;
    const std::string port = std::to_string(endpoint.port);
    if (getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &all) != 0) return;
    for (const addrinfo* one = all; one != nullptr && descriptor_ < 0; one = one->ai_next) {
      descriptor_ = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (descriptor_ < 0) continue;
      setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
      setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
      if (connect(descriptor_, one->ai_addr, one->ai_addrlen) == 0) break;
      close(descriptor_);
      descriptor_ = -1;
    }
    freeaddrinfo(all);
  }
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

// A peer that closes must not end the process.
class WithoutSigpipe {
 public:
  WithoutSigpipe() : before_(signal(SIGPIPE, SIG_IGN)) {}
  ~WithoutSigpipe() { signal(SIGPIPE, before_); }

 private:
  void (*before_)(int);
};

// Why the server's certificate is not accepted; filled by the library's callback, which takes it
// all the same.
std::string& Refusal() {
  thread_local std::string refusal;
  return refusal;
}

int TakeAny(int accepted, X509_STORE_CTX* check) {
  if (accepted == 1 || !Refusal().empty()) return 1;
  const int error = X509_STORE_CTX_get_error(check);
  const X509* const certificate = X509_STORE_CTX_get_current_cert(check);
  const bool other_name =
      error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
  if (other_name && certificate != nullptr) {
    const std::vector<std::string> names = tls::HostNamesOf(certificate);
    Refusal() = absl::StrCat(
        "not for this name: it is for ", names.empty() ? "none" : absl::StrJoin(names, ", "),
        "; name the server so, or give it a certificate for the name that you use");
    return 1;
  }
  const bool unknown = error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
                       error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
                       error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
                       error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
  Refusal() = absl::StrCat("refused: ", X509_verify_cert_error_string(error),
                           unknown ? "; --ca FILE names the authority that issued it" : "");
  return 1;
}

enum class Tls : uint8_t { kNothingListens, kNone, kSilent, kOther, kAsOffered };

// A handshake that offers `alpn`. kOther: TLS without that protocol.
Tls Handshake(const Endpoint& endpoint, std::string_view alpn) {
  const Socket socket(endpoint);
  if (socket.descriptor() < 0) return Tls::kNothingListens;
  boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
  if (!UseTlsTexts(endpoint.pem, &context).ok()) return Tls::kNone;
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.native_handle()), &SSL_free);
  const std::string& host = endpoint.host;
  unsigned char address[16];
  const bool ip = inet_pton(AF_INET, host.c_str(), address) == 1 ||
                  inet_pton(AF_INET6, host.c_str(), address) == 1;
  if (ip) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl.get(), host.c_str());
    SSL_set1_host(ssl.get(), host.c_str());
  }
  const std::string offer =
      absl::StrCat(std::string(1, static_cast<char>(alpn.size())), std::string(alpn));
  SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(offer.data()),
                      static_cast<unsigned>(offer.size()));
  Refusal().clear();
  SSL_set_verify(ssl.get(), SSL_VERIFY_PEER, &TakeAny);
  SSL_set_fd(ssl.get(), socket.descriptor());
  ERR_clear_error();
  const int done = SSL_connect(ssl.get());
  const bool silent = done != 1 && SSL_get_error(ssl.get(), done) == SSL_ERROR_WANT_READ;
  const bool alert = ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET;
  ERR_clear_error();
  if (done != 1) return silent ? Tls::kSilent : alert ? Tls::kOther : Tls::kNone;
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl.get(), &chosen, &size);
  const std::string_view got(reinterpret_cast<const char*>(chosen), size);
  return got == alpn ? Tls::kAsOffered : Tls::kOther;
}

// The first bytes that come in answer to a request of HTTP/1.1.
std::string FirstBytes(const Endpoint& endpoint) {
  const Socket socket(endpoint);
  const std::string request = absl::StrCat(
      "GET /v1/models HTTP/1.1\r\nhost: ", endpoint.authority(), "\r\nconnection: close\r\n\r\n");
  if (send(socket.descriptor(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  std::string bytes(16, '\0');
  const ssize_t got = recv(socket.descriptor(), bytes.data(), bytes.size(), MSG_WAITALL);
  bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return bytes;
}

// A gRPC server begins with a frame of its settings (RFC 9113, 6.5): type 4, of the whole
// connection.
bool IsSettings(std::string_view bytes) {
  return bytes.size() >= 9 && bytes[3] == 4 &&
         bytes.substr(5, 4) == std::string_view("\0\0\0\0", 4);
}

std::string Instead(Endpoint endpoint, Protocol protocol, bool tls) {
  const std::string asked = endpoint.url();
  endpoint.protocol = protocol;
  endpoint.tls = tls;
  if (protocol == Protocol::kGrpc) endpoint.base_path.clear();
  return absl::StrCat(asked, ": what answers there speaks ",
                      protocol == Protocol::kGrpc ? "gRPC" : "HTTP", tls ? " over" : " without",
                      " TLS; write --server ", endpoint.url());
}

}  // namespace

std::string WhatAnswers(const Endpoint& endpoint) {
  const WithoutSigpipe closed_is_an_error;
  const bool grpc = endpoint.protocol == Protocol::kGrpc;
  const Protocol other = grpc ? Protocol::kHttp : Protocol::kGrpc;
  const Tls tls = Handshake(endpoint, grpc ? "h2" : "http/1.1");
  const std::string refused = Refusal();
  if (tls == Tls::kNothingListens || tls == Tls::kSilent) return "";
  const bool is_other =
      tls == Tls::kOther && Handshake(endpoint, grpc ? "http/1.1" : "h2") == Tls::kAsOffered;
  if (is_other) return Instead(endpoint, other, true);
  if (tls == Tls::kOther && Handshake(endpoint, "wl/2") == Tls::kAsOffered) {
    return absl::StrCat(endpoint.url(), ": what answers there is a worker's port, which speaks TLS",
                        kWhereElse);
  }
  if (tls == Tls::kAsOffered || tls == Tls::kOther) {
    if (!endpoint.tls) return Instead(endpoint, endpoint.protocol, true);
    if (refused.empty()) return "";
    return absl::StrCat("no TLS connection to ", endpoint.url(), ": its certificate is ", refused);
  }
  const std::string bytes = FirstBytes(endpoint);
  const bool http = bytes.starts_with("HTTP/");
  if (http || IsSettings(bytes)) {
    const Protocol spoken = http ? Protocol::kHttp : Protocol::kGrpc;
    const bool as_asked = !endpoint.tls && spoken == endpoint.protocol;
    return as_asked ? "" : Instead(endpoint, spoken, false);
  }
  return absl::StrCat(endpoint.url(),
                      ": what answers there speaks neither HTTP nor gRPC (a worker's port?)",
                      kWhereElse);
}

}  // namespace waferline::sdk
