// Stands between the engine and whoever counts: forwards everything, and measures how late tokens
// leave. Thread: the engine's.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler/engine/observer.h"
#include "server/runtime/engine_thread.h"

namespace waferline::runtime {

int64_t WallNanoseconds();  // steady clock

class Observed : public engine::EngineObserver {
 public:
  // Both may be null. `scale` as in ClockSettings; 0: emulated time has no relation to the wall,
  // and no lateness is told.
  Observed(engine::EngineObserver* next, LatenessObserver* lateness, double scale)
      : next_(next), lateness_(lateness), scale_(scale) {}

  // The request that is handed to the engine next was submitted then.
  void NoteSubmitted(int64_t wall_ns) { submitted_wall_ns_ = wall_ns; }

  void OnRefused(const engine::SequenceNote& sequence, policy::RefusalCause cause,
                 Nanoseconds retry_after) override {
    if (next_ != nullptr) next_->OnRefused(sequence, cause, retry_after);
  }
  void OnAdmitted(const engine::SequenceNote& sequence) override;
  void OnPhase(const engine::SequenceNote& sequence, engine::Phase from, Nanoseconds lasted,
               engine::Phase phase) override {
    if (next_ != nullptr) next_->OnPhase(sequence, from, lasted, phase);
  }
  void OnToken(const engine::TokenNote& token) override;
  void OnOutcome(const engine::OutcomeNote& note) override {
    if (next_ != nullptr) next_->OnOutcome(note);
  }
  void OnRestart(const engine::SequenceNote& sequence, engine::RestartCause cause) override {
    if (next_ != nullptr) next_->OnRestart(sequence, cause);
  }
  void OnCacheLookup(uint32_t lane, Tokens queried, Tokens hit) override {
    if (next_ != nullptr) next_->OnCacheLookup(lane, queried, hit);
  }
  void OnPrefillStep(uint32_t lane, uint32_t worker, Tokens tokens, Nanoseconds lasts) override {
    if (next_ != nullptr) next_->OnPrefillStep(lane, worker, tokens, lasts);
  }
  void OnTransfer(uint32_t lane, uint32_t unit, Bytes bytes) override {
    if (next_ != nullptr) next_->OnTransfer(lane, unit, bytes);
  }
  void OnBatchStep(uint32_t lane, uint32_t unit, int sequences, Nanoseconds lasts) override {
    if (next_ != nullptr) next_->OnBatchStep(lane, unit, sequences, lasts);
  }

 private:
  struct Arrival {
    Nanoseconds instant;
    int64_t wall_ns = 0;
  };
  engine::EngineObserver* next_;
  LatenessObserver* lateness_;
  double scale_;
  int64_t submitted_wall_ns_ = 0;
  std::vector<Arrival> arrival_;  // by slot
};

}  // namespace waferline::runtime
