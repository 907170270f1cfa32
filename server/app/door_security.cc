#include "server/app/door_security.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::app {

namespace {

absl::Status CheckOwnRole(const tls::Credentials& credentials, tls::Role wanted) {
  const std::optional<tls::Identity> own = credentials.own_identity();
  if (own && own->role == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tls.cert: ", credentials.options().cert,
                   own ? absl::StrCat(" is that of ", own->uri) : " has no SPIFFE identity",
                   "; links need a certificate of role ", Absl(tls::Name(wanted)),
                   ", every peer would refuse this one"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<tls::Credentials>> LinkCredentials(const config::TlsConfig& config,
                                                                  tls::Role own) {
  const auto log = std::make_shared<RemarkLog>("tls");
  WL_ASSIGN_OR_RETURN(auto loaded,
                      tls::Credentials::Load({.cert = config.cert,
                                              .key = config.key,
                                              .ca = config.ca,
                                              .reload = config.reload,
                                              .trust_domain = config.trust_domain,
                                              .peers = tls::PeerCertificates::kRequired,
                                              .alpn = "wl/2",
                                              .alpn_required = true},
                                             [log](const std::string& text) { log->Print(text); }));
  WL_RETURN_IF_ERROR(CheckOwnRole(*loaded, own));
  if (const std::string why = loaded->Untimely(runtime::UnixSeconds()); !why.empty()) {
    log->Print(absl::StrCat("the certificate ", config.cert, " ", why,
                            ": peers refuse new links until the file is replaced"));
  }
  return std::shared_ptr<tls::Credentials>(std::move(loaded));
}

absl::StatusOr<std::unique_ptr<DoorSecurity>> DoorSecurity::Load(
    const std::optional<config::TlsConfig>& config, metrics::FrontMetrics* metrics) {
  auto made = std::unique_ptr<DoorSecurity>(new DoorSecurity(metrics));
  if (!config) return made;
  WL_ASSIGN_OR_RETURN(
      made->credentials_,
      tls::Credentials::Load({.cert = config->cert,
                              .key = config->key,
                              .ca = config->ca,
                              .reload = config->reload,
                              .trust_domain = config->trust_domain,
                              .peers = config->required ? tls::PeerCertificates::kRequired
                                                        : tls::PeerCertificates::kOptional,
                              .alpn = "http/1.1"},
                             [log = &made->log_](const std::string& text) { log->Print(text); }));
  made->http_ = config->http;
  made->grpc_ = config->grpc;
  return made;
}

void DoorSecurity::Protect(http::ServerOptions* options, tls::Door door) {
  if (!http_) return;
  options->tls = credentials_;
  options->door = door;
  options->on_refused = [this, door](const tls::Refused& refused, const std::string& peer) {
    OnRefused(door, refused, peer);
  };
}

void DoorSecurity::Protect(rpc::RpcOptions* options) {
  options->on_log = &PrintGrpcLog;
  if (!grpc_) return;
  options->tls = credentials_.get();
  options->on_refused = [this](const tls::Refused& refused) {
    OnRefused(tls::Door::kGrpc, refused, "");
  };
}

std::optional<int64_t> DoorSecurity::CertificateExpires() {
  if (credentials_ == nullptr) return std::nullopt;
  credentials_->Current(runtime::MonotonicNow());
  return credentials_->expires_unix();
}

void DoorSecurity::OnRefused(tls::Door door, const tls::Refused& refused, const std::string& peer) {
  metrics_->OnHandshakeRefused(tls::Name(door), tls::Name(refused.why));
  log_.Print(absl::StrCat(Absl(tls::Name(door)), ": refused", peer.empty() ? "" : " ", peer, ": ",
                          Absl(tls::Name(refused.why)), ": ", refused.detail));
}

}  // namespace waferline::app
