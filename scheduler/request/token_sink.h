// Where a request's tokens go. The engine calls it, in this order:
//   OnRefused                                  or
//   OnAdmitted, OnPromptLogprobs and OnPromptVector if asked for, OnToken*, OnOutcome (exactly
//   once, whatever happens).
// The token that ends a sequence (SamplingSpec::end_ids) is handed over and counted like any other;
// whether it is shown is the front end's business. A request that is cancelled before its own
// arrival (stepped clock) was never admitted and ends by OnRefused with Cancelled.
// Thread: the engine's; no call may block. Implementations hand over to their own thread through a
// bounded buffer.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "scheduler/request/service_tier.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/base/units.h"

namespace waferline {

enum class FinishReason : uint8_t {
  kStop,       // an end id or a stop string
  kLength,     // max_tokens
  kCancelled,  // the client disconnected or an operator aborted it
  kDeadline,
  kFailed,  // see Outcome::status
};
constexpr const char* NameOf(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
    case FinishReason::kFailed:
      break;
  }
  return "failed";
}

// Emulated durations of one request; queue + prefill + transfer + decode = total.
struct RequestTimes {
  Nanoseconds queue;
  Nanoseconds prefill;
  Nanoseconds transfer;
  Nanoseconds decode;
  Nanoseconds total() const { return queue + prefill + transfer + decode; }
};

// Emulated compute that the request occupied, restarts included: devices x time, and energy. Sums
// over all requests are exact (scheduler/engine/device_meter.h).
struct ComputeUse {
  int64_t wafer_ns = 0;
  int64_t accelerator_ns = 0;  // prefill workers, GPU-like decode units
  int64_t microjoules = 0;
};

struct TokenEvent {
  uint32_t index = 0;                          // 0 is the first generated token
  const TokenValue* value = nullptr;           // valid during the call
  Nanoseconds since_arrival;                   // the emulated instant of the token
  ServiceTier served = ServiceTier::kDefault;  // as Outcome's, so far
};

struct Refusal {
  absl::Status status;  // NotFound, ResourceExhausted (this tenant), Unavailable (full, loading,
                        // draining), ...
  Nanoseconds retry_after;  // computed from the queue; 0: retrying does not help
};

struct Outcome {
  FinishReason reason = FinishReason::kStop;
  absl::Status status;  // OK for kStop and kLength
  uint32_t prompt_tokens = 0;
  uint32_t cached_tokens = 0;  // of the prompt, found in a prefix cache
  uint32_t generated_tokens = 0;
  RequestTimes times;
  ComputeUse compute;
  // Whose units it had last, or waited for; never kAuto. What is charged: ChargedTier.
  ServiceTier served = ServiceTier::kDefault;
};

class TokenSink {
 public:
  enum class Verdict : uint8_t {
    kContinue,
    kStop,  // a stop string is complete: the sequence ends here as kStop
    kFull,  // the reader is too slow: no further beat until Resume, the sequence ends if that takes
            // too long
  };
  virtual ~TokenSink() = default;
  virtual void OnAdmitted() = 0;
  virtual void OnRefused(const Refusal& refusal) = 0;
  virtual void OnPromptLogprobs(const std::vector<TokenValue>& logprobs) {}
  virtual void OnPromptVector(const std::vector<float>& vector) {}
  virtual Verdict OnToken(const TokenEvent& token) = 0;
  virtual void OnOutcome(const Outcome& outcome) = 0;
};

}  // namespace waferline
