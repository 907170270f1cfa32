#include "server/tls/grpc_credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::tls {
namespace {

namespace experimental = grpc::experimental;

std::string TextOf(grpc::string_ref text) { return {text.data(), text.size()}; }

// gRPC has done the handshake, so the peer has the key of its certificate; whether that is one of
// ours is decided here.
class ClientCheck final : public experimental::ExternalCertificateVerifier {
 public:
  ClientCheck(const Credentials* credentials, std::function<void(const Refused&)> on_refused)
      : credentials_(*credentials), on_refused_(std::move(on_refused)) {}

  bool Verify(experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)>, grpc::Status* status) override {
    // The leaf, then what stands behind it.
    const PeerCheck check = credentials_.CheckUnverifiedCaller(
        TextOf(request->peer_cert()) + TextOf(request->peer_cert_full_chain()), Door::kGrpc);
    if (check.refused) {
      on_refused_(*check.refused);
      *status =
          grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                       absl::StrCat(Absl(Name(check.refused->why)), ": ", check.refused->detail));
    }
    return true;  // decided
  }
  void Cancel(experimental::TlsCustomVerificationCheckRequest*) override {}

 private:
  const Credentials& credentials_;
  const std::function<void(const Refused&)> on_refused_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> GrpcServerCredentials(
    const Credentials* credentials, std::function<void(const Refused&)> on_refused) {
  const CredentialOptions& files = credentials->options();
  const auto seconds = static_cast<unsigned>(std::max<int64_t>(1, files.reload / Seconds(1)));
  experimental::TlsServerCredentialsOptions options(
      std::make_shared<experimental::FileWatcherCertificateProvider>(files.key, files.cert,
                                                                     seconds));
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(files.ca.empty()
                                    ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                    : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  options.set_certificate_verifier(experimental::ExternalCertificateVerifier::Create<ClientCheck>(
      credentials, std::move(on_refused)));
  options.set_check_call_host(false);
  return experimental::TlsServerCredentials(options);
}

}  // namespace waferline::tls
