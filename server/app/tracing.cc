#include "server/app/tracing.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/remark_log.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/status.h"

namespace waferline::app {
namespace {

std::string Environment(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tracing>> Tracing::Start(const config::TraceConfig& config,
                                                        trace::PhaseWatch* phases) {
  auto made = std::unique_ptr<Tracing>(new Tracing);
  const std::string endpoint =
      config.otlp.empty() ? Environment("OTEL_EXPORTER_OTLP_ENDPOINT", "") : config.otlp;
  if (!endpoint.empty()) {
    const auto log = std::make_shared<RemarkLog>("trace");
    auto started = trace::Exporter::Start(
        {.endpoint = endpoint,
         .service = {.name = Environment("OTEL_SERVICE_NAME", "waferd"),
                     .version = WAFERLINE_VERSION,
                     .instance_id = absl::StrCat(absl::Hex(runtime::RandomSeed()))},
         .wall_after = runtime::WallAfter,
         .on_remark = [log](const std::string& text) { log->Print(text); }});
    if (!started.ok()) {
      return absl::Status(
          started.status().code(),
          absl::StrCat(config.otlp.empty() ? "OTEL_EXPORTER_OTLP_ENDPOINT: " : "trace.otlp: ",
                       started.status().message()));
    }
    made->exporter_ = *std::move(started);
  }
  made->tracer_ = std::make_unique<trace::Tracer>(trace::TracerOptions{
      .sink = made->exporter_.get(),
      .phases = phases,
      .ratio = config.ratio,
      .seed = runtime::RandomSeed(),
      .monotonic = runtime::MonotonicNow,
      .unix_offset_ns = runtime::UnixMicroseconds() * 1000 - runtime::MonotonicNow().count()});
  return made;
}

metrics::SpanFigures Tracing::figures() const {
  if (exporter_ == nullptr) return {};
  const trace::Exporter::Counts counts = exporter_->counts();
  return {.exported = counts.exported, .dropped = counts.dropped, .failed = counts.failed};
}

}  // namespace waferline::app
