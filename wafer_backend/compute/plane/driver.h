// The loop that computes: takes the engine's changes (sequences started, activated, ended, tokens
// wanted), lets the prefill pool compute, runs a decode step over every sequence with wanted but
// uncomputed tokens, and publishes the values.
//
// A sequence that a lost worker had is computed again: a prefill of its prompt and all its tokens
// but the last brings it exactly where it was (law 4), at most kMaxRecoveries times. The engine
// sees none of it: a value is pending for longer.
//
// Owner: ComputePlane. Thread: one, which runs Run. Nothing is computed beyond what was wanted,
// beyond max_tokens, or after an end id.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/plane/backend.h"
#include "wafer_backend/compute/plane/compute_sequence.h"
#include "wafer_backend/compute/plane/decode_step.h"
#include "wafer_backend/compute/plane/speculator.h"

namespace waferline::plane {

class Driver {
 public:
  static constexpr uint32_t kMaxRecoveries = 8;  // of a sequence

  struct Options {
    int64_t max_batch = 64;  // sequences in one decode step
    std::string model;       // its name, for errors
  };
  // What the driver works with; all outlive it.
  struct Parts {
    Backend* backend = nullptr;
    Speculator* speculator = nullptr;     // or none
    kernels::ThreadPool* pool = nullptr;  // spreads the sampling of a batch
    SharedState* shared = nullptr;
    Waker* waker = nullptr;
  };
  Driver(const Options& options, const Parts& parts);

  void Run();  // until SharedState::stop

 private:
  bool TakeChanges();  // false: stop
  void OnStart(const std::shared_ptr<ComputeSequence>& sequence);
  // Prefills all that has no KV yet, under a new job number.
  void StartPrefill(const std::shared_ptr<ComputeSequence>& sequence);
  void OnActivate(ComputeSequence* sequence);
  void OnEnd(ComputeSequence* sequence);
  // Hands off waiting sequences while slots are free; before every decode step.
  void AssignFreeSlots();
  void ReleaseSlot(ComputeSequence* sequence);
  void ReleaseAll(ComputeSequence* sequence);  // at whatever stage
  void Count();
  void Fail(ComputeSequence* sequence, const absl::Status& status);
  void FailForLogits(ComputeSequence* sequence);
  void NoteDamage(const absl::Status& computed);

  bool HandleEvents();
  void OnLost(const BackendEvents::Lost& lost);
  void OnHandedOff(const BackendEvents::HandedOff& handed_off);
  void OnPrefilled(prefill::Prefilled* result);
  bool AnyRunnable() const;
  bool Decode();  // false: nothing to do

  const std::string model_;
  Backend* const backend_;
  Speculator* const speculator_;
  SharedState* const shared_;
  Waker* const waker_;
  DecodeStep step_;

  uint64_t next_job_ = 1;
  std::unordered_map<uint64_t, std::shared_ptr<ComputeSequence>> live_;  // by job
  std::vector<ComputeSequence*> resident_;
  std::deque<ComputeSequence*> waiting_for_slot_;  // prefilled and activated
  std::vector<uint32_t> free_slots_;

  std::vector<std::shared_ptr<ComputeSequence>> changed_;
  BackendEvents events_;
  sampling::Workspace workspace_;  // for the first token, which prefill's logits give
  PlaneCounters counters_;
};

}  // namespace waferline::plane
