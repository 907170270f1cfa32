// Spans as OTLP's messages. Pure; any thread.
#pragma once

#include <span>
#include <string>

#include "proto/opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "server/trace/span.h"

namespace waferline::trace {

// Who sends: OpenTelemetry's service.* attributes of a resource.
struct ServiceFacts {
  std::string name;
  std::string version;
  std::string instance_id;
};

using ExportRequest = opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
ExportRequest EncodeSpans(const ServiceFacts& service, std::span<const Span> spans);

}  // namespace waferline::trace
