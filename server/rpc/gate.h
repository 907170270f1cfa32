// Who may call what: API keys, and the right to operate. Any thread.
#pragma once

#include <grpcpp/server_context.h>

#include "absl/status/statusor.h"
#include "server/tenancy/api_keys.h"

namespace waferline::rpc {

// The caller of an InferenceService call. Unauthenticated or PermissionDenied.
absl::StatusOr<tenancy::Caller> CallerOf(const grpc::ServerContextBase& context,
                                         const tenancy::ApiKeys* keys);

// May this call operate? With keys the key must say so; without, the peer must be on this machine.
absl::Status MayOperate(const grpc::ServerContextBase& context, const tenancy::ApiKeys* keys);

// As gRPC writes a peer: "ipv4:127.0.0.1:9", "ipv6:%5B::1%5D:9", "unix:/path".
bool IsLocalPeer(std::string_view peer);

}  // namespace waferline::rpc
