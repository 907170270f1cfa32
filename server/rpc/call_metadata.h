// The metadata of a call that Waferline reads and echoes. Any thread.
#pragma once

#include <grpcpp/server_context.h>

#include <string>
#include <string_view>

namespace waferline::rpc {

// The first value of `key`, "" if there is none.
std::string MetadataOf(const grpc::ServerContextBase& context, std::string_view key);

// W3C Trace Context, section 3.2: version-traceid-parentid-flags, lower-case hex, ids not zero.
bool IsTraceparent(std::string_view value);

// Sends x-request-id, and the caller's traceparent if it is one, with the answer's head.
void EchoMetadata(grpc::ServerContextBase* context, const std::string& request_id);

}  // namespace waferline::rpc
