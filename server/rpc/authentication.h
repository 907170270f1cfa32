// What gRPC says about a caller, for serving/access.h to decide on. Any thread.
#pragma once

#include <grpcpp/server_context.h>

#include <string_view>

#include "absl/status/statusor.h"
#include "server/serving/server_deps.h"
#include "server/tenancy/api_keys.h"

namespace waferline::rpc {

// The caller of an InferenceService call. Errors: serving::Authenticate's.
absl::StatusOr<tenancy::Caller> Authenticate(const grpc::ServerContextBase& context,
                                             const serving::ServerDeps& deps);

// OK if this call may operate the server. Errors: serving::AuthorizeAdmin's.
absl::Status AuthorizeAdmin(const grpc::ServerContextBase& context,
                            const serving::ServerDeps& deps);

// A caller that may ask what was used. Errors: serving::AuthorizeUsage's.
absl::StatusOr<tenancy::Caller> AuthorizeUsage(const grpc::ServerContextBase& context,
                                               const serving::ServerDeps& deps);

// As gRPC writes a peer: "ipv4:127.0.0.1:9", "ipv6:%5B::1%5D:9", "unix:/path".
bool IsLocalPeer(std::string_view peer);

}  // namespace waferline::rpc
