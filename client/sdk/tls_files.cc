#include "client/sdk/tls_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/tls/certificates.h"

namespace waferline::sdk {
namespace {

using boost::asio::ssl::context;
using boost::system::error_code;

constexpr size_t kMaxPemBytes = 1 << 20;
constexpr const char* kCertificates = "certificates in PEM form";
constexpr const char* kKey = "the certificate's private key in PEM form, not encrypted";

absl::Status Unusable(const char* flag, const std::string& path, const std::string& why,
                      const char* expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " ", path, ": ", why, "; expected ", expected));
}

absl::StatusOr<std::string> TextOf(const char* flag, const std::string& path) {
  const absl::Status status = CheckRegularFile(path, kMaxPemBytes);
  if (status.ok()) return ReadFile(path, kMaxPemBytes);
  return absl::Status(status.code(), absl::StrCat(flag, ": ", status.message()));
}

void UsePair(const TlsTexts& pem, context* tls, error_code* of_chain, error_code* of_key) {
  // Else the library asks for a password at the terminal.
  tls->set_password_callback([](size_t, context::password_purpose) { return ""; }, *of_key);
  tls->use_certificate_chain(boost::asio::buffer(pem.chain), *of_chain);
  if (!*of_chain) tls->use_private_key(boost::asio::buffer(pem.key), context::pem, *of_key);
}

absl::Status ReadPair(const TlsPaths& paths, TlsTexts* pem) {
  constexpr int kMaxReadings = 8;
  for (int reading = 1;; ++reading) {
    const TlsTexts before = *pem;
    WL_ASSIGN_OR_RETURN(pem->chain, TextOf("--cert", paths.cert));
    WL_ASSIGN_OR_RETURN(pem->key, TextOf("--key", paths.key));
    context tls(context::tls_client);
    error_code of_chain, of_key;
    UsePair(*pem, &tls, &of_chain, &of_key);
    if (!of_chain && !of_key) return absl::OkStatus();
    const bool changed = pem->chain != before.chain || pem->key != before.key;
    if (changed && reading < kMaxReadings) continue;
    return of_chain ? Unusable("--cert", paths.cert, of_chain.message(), kCertificates)
                    : Unusable("--key", paths.key, of_key.message(), kKey);
  }
}

}  // namespace

absl::StatusOr<TlsTexts> ReadTlsFiles(const TlsPaths& paths) {
  TlsTexts pem;
  if (!paths.ca.empty()) {
    WL_ASSIGN_OR_RETURN(pem.ca, TextOf("--ca", paths.ca));
    context tls(context::tls_client);
    error_code error;
    tls.add_certificate_authority(boost::asio::buffer(pem.ca), error);
    if (error) return Unusable("--ca", paths.ca, error.message(), kCertificates);
    if (tls::CertificatesOf(pem.ca).empty()) {
      return Unusable("--ca", paths.ca, "it holds none", kCertificates);
    }
  }
  if (!paths.cert.empty()) WL_RETURN_IF_ERROR(ReadPair(paths, &pem));
  return pem;
}

absl::Status UseTlsTexts(const TlsTexts& pem, context* tls) {
  error_code of_ca, of_chain, of_key;
  tls->set_verify_mode(context::verify_peer);
  if (pem.ca.empty()) {
    // Without certificates none is trusted, and that is said then.
    error_code ignored;
    tls->set_default_verify_paths(ignored);
  } else {
    tls->add_certificate_authority(boost::asio::buffer(pem.ca), of_ca);
    // The server's own certificate may be in the file, without who issued it.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(tls->native_handle()),
                                X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (!pem.chain.empty()) UsePair(pem, tls, &of_chain, &of_key);
  for (const error_code& error : {of_ca, of_chain, of_key}) {
    if (error) return absl::InternalError(absl::StrCat("TLS: ", error.message()));
  }
  return absl::OkStatus();
}

}  // namespace waferline::sdk
