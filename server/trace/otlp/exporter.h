// Sends spans to a collector over OTLP/gRPC, from a thread of its own: nothing that adds spans
// waits.
//
// Owner: server/app; outlives what adds spans. Thread: any. Bounds: kMaxQueued spans wait; those of
// a request that do not fit are dropped together, and counted. A batch that the collector does not
// take within kPatience is dropped and counted, too: spans are not worth memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/trace/otlp/span_encoder.h"
#include "server/trace/span.h"
#include "wafer_backend/base/units.h"

namespace waferline::trace {

struct ExporterOptions {
  std::string endpoint;  // http://HOST:PORT, https://HOST:PORT (system's CAs), or HOST:PORT
  ServiceFacts service;
  std::function<std::chrono::system_clock::time_point(Nanoseconds from_now)> wall_after;
  std::function<void(const std::string&)> on_remark;  // on the exporter's thread
};

struct OtlpEndpoint {
  std::string target;  // HOST:PORT
  bool tls = false;
};
// InvalidArgument: not an endpoint.
absl::StatusOr<OtlpEndpoint> ParseEndpoint(const std::string& endpoint);

class Exporter : public SpanSink {
 public:
  static constexpr size_t kMaxQueued = 2048;
  static constexpr size_t kMaxBatch = 512;
  static constexpr Nanoseconds kInterval = Seconds(1);  // a batch waits no longer to be full
  static constexpr Nanoseconds kPatience = Seconds(5);
  struct Counts {
    uint64_t exported = 0;
    uint64_t dropped = 0;  // the queue was full
    uint64_t failed = 0;   // the collector did not take them
  };

  // InvalidArgument: not an endpoint. A collector that is not there is no error.
  static absl::StatusOr<std::unique_ptr<Exporter>> Start(ExporterOptions options);
  // Sends what is queued, for kPatience at most.
  ~Exporter() override = default;
  virtual Counts counts() const = 0;
};

}  // namespace waferline::trace
