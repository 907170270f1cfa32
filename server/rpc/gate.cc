#include "server/rpc/gate.h"

#include "server/rpc/call_metadata.h"
#include "wafer_backend/base/status.h"

namespace waferline::rpc {

absl::StatusOr<tenancy::Caller> CallerOf(const grpc::ServerContextBase& context,
                                         const tenancy::ApiKeys* keys) {
  if (keys == nullptr || !keys->required()) return tenancy::Caller();
  return keys->Check(MetadataOf(context, "authorization"));
}

absl::Status MayOperate(const grpc::ServerContextBase& context, const tenancy::ApiKeys* keys) {
  if (keys == nullptr || !keys->required()) {
    if (IsLocalPeer(context.peer())) return absl::OkStatus();
    return absl::PermissionDeniedError(
        "without API keys the cloud is operated from its own machine only; configure a key with "
        "admin");
  }
  WL_ASSIGN_OR_RETURN(const tenancy::Caller caller, CallerOf(context, keys));
  if (caller.admin) return absl::OkStatus();
  return absl::PermissionDeniedError("this API key may not operate the cloud");
}

bool IsLocalPeer(std::string_view peer) {
  return peer.starts_with("ipv4:127.") || peer.starts_with("ipv6:[::1]:") ||
         peer.starts_with("ipv6:%5B::1%5D:") || peer.starts_with("unix:");
}

}  // namespace waferline::rpc
