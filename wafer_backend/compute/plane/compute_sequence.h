// One sequence in the compute plane, as the engine's thread and the driver's share it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/compute/plane/plane_counters.h"
#include "wafer_backend/compute/sampling/sampler.h"

namespace waferline::plane {

struct ComputeSequence {
  explicit ComputeSequence(const SequenceSpec& spec)
      : max_tokens(spec.max_tokens),
        prompt_tokens(static_cast<uint32_t>(spec.prompt->size())),
        given_tokens(static_cast<uint32_t>(spec.generated.size())),
        prediction(spec.prediction),
        sampler(spec.sampling, *spec.prompt, spec.generated),
        text(*spec.prompt) {
    text.insert(text.end(), spec.generated.begin(), spec.generated.end());
  }

  // Constant.
  const uint32_t max_tokens;
  const uint32_t prompt_tokens;
  const uint32_t given_tokens;  // generated before this prefill; the first value has this index
  const std::shared_ptr<const Prediction> prediction;

  // Guarded by SharedState::mutex. What the engine wants ...
  uint32_t wanted = 0;
  bool activate = false;
  bool ended = false;
  bool changed = false;  // and listed in SharedState::changed
  // ... and what the driver found. References into `values` stay valid while it grows.
  std::deque<TokenValue> values;
  std::vector<TokenValue> prompt_logprobs;
  std::vector<float> prompt_vector;
  absl::Status failure;

  // Written by the driver.
  enum class Stage : uint8_t {
    kPrefilling,
    kPrefilled,
    kHandingOff,
    kResident,
    kOver,  // failed, or complete when its workers were lost: it holds nothing
  };
  std::atomic<Stage> stage = Stage::kPrefilling;
  std::atomic<bool> complete = false;  // an end id, or max_tokens: nothing follows

  // The driver's own.
  uint64_t job = 0;         // of its last prefill (plane/backend.h)
  uint32_t recoveries = 0;  // prefills after a worker was lost
  bool started = false;     // to the driver
  bool activated = false;
  uint32_t wanted_seen = 0;      // `wanted` when the driver last looked
  std::optional<uint32_t> slot;  // while kHandingOff and kResident
  sampling::Sampler sampler;
  std::vector<TokenId> text;  // prompt and everything generated
  uint32_t kv_positions = 0;  // of `text`; the next token to feed is text[kv_positions]

  uint32_t generated() const { return static_cast<uint32_t>(text.size()) - prompt_tokens; }
  bool begun() const { return generated() > given_tokens; }  // it has values
  // Generated tokens to compute, as far as the driver knows.
  uint32_t target() const { return std::min(wanted_seen, max_tokens); }
  bool runnable() const { return !complete && generated() < target(); }
  void Append(TokenId id) {
    text.push_back(id);
    complete = generated() >= max_tokens || sampler.Ends(id);
  }
};

// What passes between the two threads.
struct SharedState {
  Mutex mutex;
  std::vector<std::shared_ptr<ComputeSequence>> changed ABSL_GUARDED_BY(mutex);  // each once
  PlaneCounters counters ABSL_GUARDED_BY(mutex);
  bool stop ABSL_GUARDED_BY(mutex) = false;
};

}  // namespace waferline::plane
