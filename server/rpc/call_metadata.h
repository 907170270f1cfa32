// The metadata of a call that Waferline reads and echoes. Any thread.
#pragma once

#include <grpcpp/server_context.h>

#include <optional>
#include <string>
#include <string_view>

#include "server/trace/tracer.h"

namespace waferline::rpc {

// The first value of `key`, "" if there is none.
std::string MetadataOf(const grpc::ServerContextBase& context, std::string_view key);

// Sends the trace context of the answer, if there is one, with its head.
std::optional<trace::Tracer::Started> StartTrace(grpc::ServerContextBase* context,
                                                 trace::Tracer* tracer);

}  // namespace waferline::rpc
