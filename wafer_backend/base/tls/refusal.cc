#include "wafer_backend/base/tls/refusal.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace waferline::tls {

std::string_view Name(Refusal refusal) {
  static constexpr std::array<std::string_view, kRefusals> kNames = {
      "plain_client",  "plain_server",   "old_version", "no_certificate", "expired",
      "not_yet_valid", "unknown_issuer", "no_identity", "wrong_domain",   "wrong_cloud",
      "wrong_role",    "too_slow",       "too_many",    "closed",         "other"};
  return kNames[static_cast<size_t>(refusal)];
}

Refused WhyNotVerified(long verify_error) {
  const std::string detail = X509_verify_cert_error_string(verify_error);
  switch (verify_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {Refusal::kExpired, detail};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {Refusal::kNotYetValid, detail};
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
      return {Refusal::kUnknownIssuer, detail};
    default:
      return {Refusal::kOther, detail};
  }
}

Refused WhyFailed(const SSL* ssl, unsigned long error) {
  if (error == 0) return {Refusal::kClosed, "the peer closed the connection"};
  const char* reason = ERR_reason_error_string(error);
  const std::string detail = reason == nullptr ? "unknown error" : reason;
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return {Refusal::kOther, detail};
  switch (ERR_GET_REASON(error)) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return WhyNotVerified(SSL_get_verify_result(ssl));
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return {Refusal::kNoCertificate, "it must have a certificate, and sent none"};
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
      if (SSL_is_server(ssl) == 0) {
        return {Refusal::kPlainServer, "it speaks plain TCP: TLS is not configured there"};
      }
      return {Refusal::kPlainClient, "it does not speak TLS"};
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
      return {Refusal::kOldVersion, "it does not speak TLS 1.3"};
    default:
      return {Refusal::kOther, detail};
  }
}

}  // namespace waferline::tls
