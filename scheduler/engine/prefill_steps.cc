// A worker's steps over chunks of its prompts.
#include <algorithm>
#include <cmath>

#include "scheduler/engine/prefill_pool.h"
#include "scheduler/policy/chunking.h"

namespace waferline::engine {

void PrefillPool::StartSteps(LaneIndex lane) {
  std::vector<WorkerIndex>& idle = lanes_[lane].idle_with_prompts;
  std::ranges::sort(idle);
  for (const WorkerIndex w : idle) {
    workers_[w].listed = false;
    StartStep(w);
  }
  idle.clear();
}

void PrefillPool::StartStep(WorkerIndex w) {
  Worker& worker = workers_[w];
  if (worker.stepping || !worker.alive) return;
  std::erase_if(worker.active,
                [this](const SequenceRef& ref) { return !sequences_->IsCurrent(ref); });
  if (worker.active.empty()) return;
  const Tokens tokens = FillStep(&worker);
  Nanoseconds lasts(
      std::llround(worker.spec.device->StepTime(chunks_).as_double() * worker.slowdown));
  lasts = std::max(lasts, Nanoseconds(1));
  worker.step_lasts = lasts;
  worker.stepping = true;
  ++worker.step_generation;
  context_->observers.Notify(
      [&](EngineObserver& o) { o.OnPrefillStep(worker.lane, worker.index, tokens, lasts); });
  const Nanoseconds now = context_->now();
  context_->timeline->Schedule(now + lasts, Priority::kDevice, this,
                               Payload{Kind::kStepEnd, w.value, worker.step_generation}.word());
  if (context_->lanes[worker.lane].overlap == Overlap::kLayer) {
    context_->timeline->Schedule(now + lasts / worker.spec.device->layer_count(), Priority::kDevice,
                                 this,
                                 Payload{Kind::kLayers, w.value, worker.step_generation}.word());
  }
}

Tokens PrefillPool::FillStep(Worker* worker) {
  worker->step.clear();
  chunks_.clear();
  int64_t budget = worker->spec.step_tokens.count();
  for (const SequenceRef& ref : worker->active) {
    if (budget == 0) break;
    const Sequence& s = (*sequences_)[ref.slot];
    const auto fresh =
        static_cast<uint32_t>(policy::NextChunk(budget, s.prefill_total - s.prefill_done));
    budget -= fresh;
    worker->step.push_back({ref, fresh, s.prefill_done});
    chunks_.push_back({Tokens(fresh), Tokens(s.prefill_done)});
    if (s.phase == Phase::kQueue) listener_->OnPrefillStart(ref.slot);
  }
  return Tokens(worker->spec.step_tokens.count() - budget);
}

void PrefillPool::OnEvent(uint64_t word) {
  const Payload payload = Payload::Of(word);
  Worker& worker = workers_[WorkerIndex{payload.index}];
  // The worker was lost meanwhile.
  if (payload.generation != worker.step_generation || !worker.stepping) return;
  switch (payload.kind) {
    case Kind::kStepEnd:
      return OnStepEnd(&worker);
    case Kind::kLayers:
      return OnLayers(worker);
  }
}

// From now until the step's end all layers but the last hand over; the last one's part follows at
// the end. What the link does meanwhile is its business. (The layers in between are not followed
// one by one: a link faster than the worker is then credited with at most one step too early.)
void PrefillPool::OnLayers(const Worker& worker) {
  for (const Part& part : worker.step) {
    if (!sequences_->IsCurrent(part.sequence)) continue;
    listener_->OnLayersComputed(part.sequence.slot, part.before + part.fresh,
                                worker.spec.device->layer_count());
  }
}

// Each prompt's share of the step, by its fresh tokens.
void PrefillPool::ChargeStep(Worker* worker) {
  int64_t tokens = 0;
  for (const Part& part : worker->step) tokens += part.fresh;
  StepShares shares(worker->step_lasts, std::max<int64_t>(1, tokens));
  for (const Part& part : worker->step) {
    const Nanoseconds share = shares.Next(part.fresh);
    if (!sequences_->IsCurrent(part.sequence)) continue;
    ComputeUse& compute = (*sequences_)[part.sequence.slot].compute;
    worker->meter.Charge(share, &compute);
  }
}

void PrefillPool::OnStepEnd(Worker* worker) {
  worker->stepping = false;
  ChargeStep(worker);
  int64_t computed = 0;
  for (const Part& part : worker->step) computed += part.fresh;
  AddPending(worker, -computed);
  for (const Part& part : worker->step) {
    if (!sequences_->IsCurrent(part.sequence)) continue;
    Sequence& s = (*sequences_)[part.sequence.slot];
    s.prefill_done = part.before + part.fresh;
    listener_->OnChunkComputed(part.sequence.slot, worker->spec.device->layer_count());
    if (s.prefill_done == s.prefill_total) {
      if (worker->cache) context_->Store(part.sequence.slot, worker->cache.get());
      context_->due.push_back(DueTokens{part.sequence, 1});
    }
  }
  worker->step.clear();
  std::erase_if(worker->active, [this](const SequenceRef& ref) {
    if (!sequences_->IsCurrent(ref)) return true;
    const Sequence& s = (*sequences_)[ref.slot];
    return s.prefill_done == s.prefill_total;
  });
  ListIdle(At(worker->lane, worker->index));
  // The next step starts after the queue was dispatched: new prompts fill what the budget leaves.
  context_->dirty.Mark(worker->lane);
}

}  // namespace waferline::engine
