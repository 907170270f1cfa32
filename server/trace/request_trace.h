// The spans of one request: `request` from its last byte to its answer, and under it for each
// choice what it went through (queue, prefill, transfer, decode; again after a restart), with host
// times. Emulated durations are attributes, since emulated time need not follow the wall.
//
// Names of attributes: OpenTelemetry's semantic conventions for generative AI (gen_ai.*), and
// waferline.* for what they do not know.
//
// Owner: shared by the request's session; the last owner's release hands the spans to the sink.
// Thread: any. Bounds: kMaxSpans a request, what is more is counted in waferline.spans_left_out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "scheduler/engine/observer.h"
#include "scheduler/request/token_sink.h"
#include "server/trace/tracer.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::trace {

// "stop", "length", "cancelled", "deadline" or "error".
const char* FinishName(FinishReason reason);

// OpenTelemetry's gen_ai.operation.name of a route, or of "grpc".
std::string OperationOf(std::string_view endpoint);

struct TracedRequest {
  std::string model;
  std::string operation;  // "chat", "text_completion"
  std::string request_id;
  size_t choices = 1;
  Nanoseconds received;  // host time
};

class RequestTrace {
 public:
  static constexpr size_t kMaxSpans = 512;

  RequestTrace(Tracer* tracer, Tracer::Started started, TracedRequest request);
  ~RequestTrace();
  RequestTrace(const RequestTrace&) = delete;
  RequestTrace& operator=(const RequestTrace&) = delete;

  // The engine's sequence with this sink is that choice (phase_watch.h). Before it is submitted.
  void Watch(const TokenSink* sink, size_t choice);
  // A choice has gone on from `from`, which took `lasted` of emulated time, to `to`.
  void OnPhase(size_t choice, engine::Phase from, Nanoseconds lasted, engine::Phase to);
  void OnOutcome(size_t choice, const Outcome& outcome);
  // The request was refused, or a choice was.
  void OnRefused(const absl::Status& why);
  // The answer was handed to the transport.
  void OnAnswered();

 private:
  struct Choice {
    engine::Phase phase = engine::Phase::kQueue;
    Nanoseconds since;                                    // host time: it began then
    std::array<Nanoseconds, engine::kPhases> recorded{};  // emulated, in the spans before it
  };
  void AddStage(size_t choice, engine::Phase phase, Nanoseconds lasted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Tracer* const tracer_;
  const Tracer::Started started_;
  const TracedRequest request_;
  Mutex mutex_;
  std::vector<Span> stages_ ABSL_GUARDED_BY(mutex_);
  std::vector<const TokenSink*> watched_;
  std::vector<Choice> choices_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> finish_reasons_ ABSL_GUARDED_BY(mutex_);
  int64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t input_tokens_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t output_tokens_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t emulated_ns_ ABSL_GUARDED_BY(mutex_) = 0;  // of the longest choice
  std::optional<Nanoseconds> ended_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::trace
