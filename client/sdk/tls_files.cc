#include "client/sdk/tls_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/status.h"

namespace waferline::sdk {
namespace {

using boost::asio::ssl::context;
using boost::system::error_code;

constexpr size_t kMaxPemBytes = 1 << 20;
constexpr const char* kCertificates = "certificates in PEM form";
constexpr const char* kKey = "the certificate's private key in PEM form, not encrypted";

absl::Status StatusOf(const char* flag, const std::string& path, const error_code& error,
                      const char* expected) {
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " ", path, ": ", error.message(), "; expected ", expected));
}

absl::Status Check(const char* flag, const std::string& path) {
  const absl::Status status = CheckRegularFile(path, kMaxPemBytes);
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(flag, ": ", status.message()));
}

absl::StatusOr<std::string> TextOf(const char* flag, const std::string& path) {
  WL_RETURN_IF_ERROR(Check(flag, path));
  return ReadFile(path, kMaxPemBytes);
}

absl::Status Use(const Endpoint& endpoint, const KeyPair& pair, context* tls) {
  error_code error;
  // Else the library asks for a password at the terminal.
  tls->set_password_callback([](size_t, context::password_purpose) { return ""; }, error);
  tls->use_certificate_chain(boost::asio::buffer(pair.chain), error);
  if (error) return StatusOf("--cert", endpoint.cert, error, kCertificates);
  tls->use_private_key(boost::asio::buffer(pair.key), context::pem, error);
  return StatusOf("--key", endpoint.key, error, kKey);
}

}  // namespace

absl::StatusOr<KeyPair> ReadKeyPair(const Endpoint& endpoint) {
  if (endpoint.cert.empty()) return KeyPair{};
  constexpr int kMaxReadings = 8;
  KeyPair before;
  for (int reading = 1;; ++reading) {
    KeyPair pair;
    WL_ASSIGN_OR_RETURN(pair.chain, TextOf("--cert", endpoint.cert));
    WL_ASSIGN_OR_RETURN(pair.key, TextOf("--key", endpoint.key));
    context tls(context::tls_client);
    absl::Status fits = Use(endpoint, pair, &tls);
    if (fits.ok()) return pair;
    const bool changed = pair.chain != before.chain || pair.key != before.key;
    if (!changed || reading == kMaxReadings) return fits;
    before = std::move(pair);
  }
}

absl::Status UseTlsFiles(const Endpoint& endpoint, context* tls) {
  error_code error;
  tls->set_verify_mode(context::verify_peer);
  if (endpoint.ca.empty()) {
    // Without certificates none is trusted, and that is said then.
    tls->set_default_verify_paths(error);
  } else {
    WL_RETURN_IF_ERROR(Check("--ca", endpoint.ca));
    tls->load_verify_file(endpoint.ca, error);
    if (error) return StatusOf("--ca", endpoint.ca, error, kCertificates);
    // The server's own certificate may be in the file, without who issued it.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(tls->native_handle()),
                                X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (endpoint.cert.empty()) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const KeyPair pair, ReadKeyPair(endpoint));
  return Use(endpoint, pair, tls);
}

absl::Status CheckTlsFiles(const Endpoint& endpoint) {
  context tls(context::tls_client);
  return UseTlsFiles(endpoint, &tls);
}

}  // namespace waferline::sdk
