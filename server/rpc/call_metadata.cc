#include "server/rpc/call_metadata.h"

namespace waferline::rpc {
std::string MetadataOf(const grpc::ServerContextBase& context, std::string_view key) {
  const auto& all = context.client_metadata();
  const auto found = all.find(grpc::string_ref(key.data(), key.size()));
  return found == all.end() ? std::string()
                            : std::string(found->second.data(), found->second.size());
}

std::optional<trace::Tracer::Started> StartTrace(grpc::ServerContextBase* context,
                                                 trace::Tracer* tracer) {
  auto started = tracer->Start(trace::ReadTraceContext(MetadataOf(*context, "traceparent"),
                                                       MetadataOf(*context, "tracestate")));
  if (!started) return started;
  context->AddInitialMetadata("traceparent", trace::TraceparentOf(started->context));
  if (!started->context.state.empty()) {
    context->AddInitialMetadata("tracestate", started->context.state);
  }
  return started;
}

}  // namespace waferline::rpc
