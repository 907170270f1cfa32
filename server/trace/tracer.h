// Decides which requests are traced, and gives them their ids: as the caller's traceparent says
// (parent-based), else the configured share of them, by their trace id.
//
// Owner: server/app; outlives the front ends. Thread: any. Without a sink nothing is traced, and a
// caller's context is only passed back.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "server/trace/phase_watch.h"
#include "server/trace/span.h"
#include "server/trace/trace_context.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/units.h"

namespace waferline::trace {

struct TracerOptions {
  SpanSink* sink = nullptr;      // null: nothing is traced
  PhaseWatch* phases = nullptr;  // null: requests without their stages
  double ratio = 1;              // of requests without a parent, in [0, 1]
  uint64_t seed = 0;             // of ids
  std::function<Nanoseconds()> monotonic;
  int64_t unix_offset_ns = 0;  // Unix time less the monotonic clock's
};

class Tracer {
 public:
  // What a request is answered with, and what its spans are children of.
  struct Started {
    TraceContext context;   // of the request's own span, or the caller's if it is not traced
    std::string parent_id;  // the caller's span; "": none
    bool recorded = false;
  };

  explicit Tracer(TracerOptions options) : options_(std::move(options)), ids_(options_.seed) {}

  // nullopt: there is no context to speak of.
  std::optional<Started> Start(const std::optional<TraceContext>& parent);
  std::string NewSpanId();

  Nanoseconds Now() const { return options_.monotonic(); }
  int64_t UnixNs(Nanoseconds at) const { return at.count() + options_.unix_offset_ns; }
  SpanSink* sink() const { return options_.sink; }
  PhaseWatch* phases() const { return options_.phases; }

 private:
  uint64_t NextId();

  const TracerOptions options_;
  const SeededStream ids_;
  std::atomic<uint64_t> next_ = 0;
};

}  // namespace waferline::trace
