// Carries what the engine does with the sequences of traced requests to their traces.
//
// Owner: server/app; outlives the engines and the traces. Thread: any; OnPhase is the engines'.
// Cost: one load at each phase while nothing is traced, else a look-up under a lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "scheduler/engine/observer.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::trace {

class RequestTrace;

class PhaseWatch final : public engine::EngineObserver {
 public:
  // The sequence with this sink is a choice of that trace, until Forget or another Watch.
  void Watch(const TokenSink* sink, RequestTrace* trace, size_t choice);
  void Forget(const TokenSink* sink, const RequestTrace* trace);

  void OnPhase(const engine::SequenceInfo& sequence, engine::Phase from, Nanoseconds lasted,
               engine::Phase phase) override;

 private:
  struct Watched {
    RequestTrace* trace;
    size_t choice;
  };
  std::atomic<size_t> count_ = 0;
  Mutex mutex_;  // taken before a trace's
  std::unordered_map<const TokenSink*, Watched> watched_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::trace
