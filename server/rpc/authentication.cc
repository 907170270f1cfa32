#include "server/rpc/authentication.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "server/rpc/call_metadata.h"
#include "server/serving/access.h"

namespace waferline::rpc {
namespace {

bool IsForwarded(const grpc::ServerContextBase& context) {
  const auto& all = context.client_metadata();
  return std::any_of(all.begin(), all.end(), [](const auto& entry) {
    return serving::SaysForwarded({entry.first.data(), entry.first.size()});
  });
}

// Of the certificate that was checked when the connection began.
std::shared_ptr<const tls::Identity> IdentityOf(const grpc::ServerContextBase& context) {
  for (const grpc::string_ref& uri : context.auth_context()->FindPropertyValues("peer_spiffe_id")) {
    auto identity = tls::ParseIdentity({uri.data(), uri.size()});
    if (identity.ok()) return std::make_shared<const tls::Identity>(*std::move(identity));
  }
  return nullptr;
}

serving::Origin PeerOrigin(const grpc::ServerContextBase& context) {
  return {IsLocalPeer(context.peer()) && !IsForwarded(context), IdentityOf(context)};
}

}  // namespace

absl::StatusOr<tenancy::Caller> Authenticate(const grpc::ServerContextBase& context,
                                             const serving::ServerDeps& deps) {
  return serving::Authenticate(deps, MetadataOf(context, "authorization"));
}

absl::Status AuthorizeAdmin(const grpc::ServerContextBase& context,
                            const serving::ServerDeps& deps) {
  return serving::AuthorizeAdmin(deps, MetadataOf(context, "authorization"), PeerOrigin(context))
      .status();
}

absl::StatusOr<tenancy::Caller> AuthorizeUsage(const grpc::ServerContextBase& context,
                                               const serving::ServerDeps& deps) {
  return serving::AuthorizeUsage(deps, MetadataOf(context, "authorization"), PeerOrigin(context));
}

bool IsLocalPeer(std::string_view peer) {
  return peer.starts_with("ipv4:127.") || peer.starts_with("ipv6:[::ffff:127.") ||
         peer.starts_with("ipv6:%5B::ffff:127.") || peer.starts_with("ipv6:[::1]:") ||
         peer.starts_with("ipv6:%5B::1%5D:") || peer.starts_with("unix:");
}

}  // namespace waferline::rpc
