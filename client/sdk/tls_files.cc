#include "client/sdk/tls_files.h"

#include "absl/strings/str_cat.h"

namespace waferline::sdk {
namespace {

using boost::asio::ssl::context;
using boost::system::error_code;

absl::Status StatusOf(const char* flag, const std::string& path, const error_code& error) {
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(flag, " ", path, ": ", error.message()));
}

}  // namespace

absl::Status UseTlsFiles(const Endpoint& endpoint, context* tls) {
  error_code error;
  tls->set_verify_mode(context::verify_peer);
  if (endpoint.ca.empty()) {
    // Without certificates none is trusted, and that is said then.
    tls->set_default_verify_paths(error);
  } else {
    tls->load_verify_file(endpoint.ca, error);
    if (error) return StatusOf("--ca", endpoint.ca, error);
    // The server's own certificate may be in the file, without who issued it.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(tls->native_handle()),
                                X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (endpoint.cert.empty()) return absl::OkStatus();
  tls->use_certificate_chain_file(endpoint.cert, error);
  if (error) return StatusOf("--cert", endpoint.cert, error);
  tls->use_private_key_file(endpoint.key, context::pem, error);
  return StatusOf("--key", endpoint.key, error);
}

}  // namespace waferline::sdk
