#include "server/trace/phase_watch.h"

#include "server/trace/request_trace.h"

namespace waferline::trace {

void PhaseWatch::Watch(const TokenSink* sink, RequestTrace* trace, size_t choice) {
  MutexLock lock(&mutex_);
  watched_.insert_or_assign(sink, Watched{trace, choice});
  count_.store(watched_.size(), std::memory_order_release);
}

void PhaseWatch::Forget(const TokenSink* sink, const RequestTrace* trace) {
  MutexLock lock(&mutex_);
  const auto found = watched_.find(sink);
  // The sink may be gone, and another may have its address.
  if (found == watched_.end() || found->second.trace != trace) return;
  watched_.erase(found);
  count_.store(watched_.size(), std::memory_order_release);
}

void PhaseWatch::OnPhase(const engine::SequenceInfo& sequence, engine::Phase from,
                         Nanoseconds lasted, engine::Phase phase) {
  if (count_.load(std::memory_order_acquire) == 0) return;
  MutexLock lock(&mutex_);
  const auto found = watched_.find(sequence.request->sink.get());
  if (found == watched_.end()) return;
  found->second.trace->OnPhase(found->second.choice, from, lasted, phase);
}

}  // namespace waferline::trace
