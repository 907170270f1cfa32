#include "server/rpc/authentication.h"

#include "server/rpc/call_metadata.h"
#include "server/serving/access.h"

namespace waferline::rpc {

absl::StatusOr<tenancy::Caller> Authenticate(const grpc::ServerContextBase& context,
                                             const serving::ServerDeps& deps) {
  return serving::Authenticate(deps, MetadataOf(context, "authorization"));
}

absl::Status AuthorizeAdmin(const grpc::ServerContextBase& context,
                            const serving::ServerDeps& deps) {
  return serving::AuthorizeAdmin(deps, MetadataOf(context, "authorization"),
                                 IsLocalPeer(context.peer()))
      .status();
}

bool IsLocalPeer(std::string_view peer) {
  return peer.starts_with("ipv4:127.") || peer.starts_with("ipv6:[::1]:") ||
         peer.starts_with("ipv6:%5B::1%5D:") || peer.starts_with("unix:");
}

}  // namespace waferline::rpc
