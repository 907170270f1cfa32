// Spans of requests, and where they go: the configuration's collector, or the environment's
// (OTEL_EXPORTER_OTLP_ENDPOINT). Without either nothing is traced, and a caller's trace context is
// only passed back.
//
// Owner: the front ends; outlives what they answer with. Thread: any.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/config/server_config.h"
#include "server/metrics/exposition.h"
#include "server/trace/otlp/exporter.h"
#include "server/trace/tracer.h"

namespace waferline::app {

class Tracing {
 public:
  // InvalidArgument: not an endpoint.
  static absl::StatusOr<std::unique_ptr<Tracing>> Start(const config::TraceConfig& config,
                                                        trace::PhaseWatch* phases);

  trace::Tracer* tracer() { return tracer_.get(); }
  metrics::SpanFigures figures() const;

 private:
  Tracing() = default;
  std::unique_ptr<trace::Exporter> exporter_;  // null: none
  std::unique_ptr<trace::Tracer> tracer_;
};

}  // namespace waferline::app
