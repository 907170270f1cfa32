// A prefill worker takes steps over chunks of the prompts it has, in their order, under its token
// budget.
#include <algorithm>
#include <cmath>

#include "scheduler/engine/engine_state.h"
#include "scheduler/policy/chunking.h"

namespace waferline::engine {

void EngineState::StartStep(uint32_t w) {
  Worker& worker = workers_[w];
  if (worker.stepping || !worker.alive) return;
  std::erase_if(worker.active, [this](const Worker::Entry& e) { return !Lives(e); });
  if (worker.active.empty()) return;
  worker.step.clear();
  chunks_.clear();
  int64_t budget = worker.spec.step_tokens.count();
  for (const Worker::Entry& entry : worker.active) {
    if (budget == 0) break;
    Sequence& s = sequences_[entry.slot];
    const auto fresh =
        static_cast<uint32_t>(policy::NextChunk(budget, s.prefill_total - s.prefill_done));
    budget -= fresh;
    worker.step.push_back({entry.slot, entry.generation, fresh, s.prefill_done});
    chunks_.push_back({Tokens(fresh), Tokens(s.prefill_done)});
    if (s.phase == Phase::kQueue) SetPhase(entry.slot, Phase::kPrefill);
  }
  Nanoseconds lasts(
      std::llround(worker.spec.device->StepTime(chunks_).as_double() * worker.slowdown));
  lasts = std::max(lasts, Nanoseconds(1));
  worker.stepping = true;
  ++worker.step_generation;
  observers_.Notify([&](EngineObserver& o) {
    o.OnPrefillStep(worker.lane, worker.index, Tokens(worker.spec.step_tokens.count() - budget),
                    lasts);
  });
  timeline_->Schedule(now() + lasts, Priority::kDevice, this,
                      Payload(Kind::kWorkerStep, w, worker.step_generation));
  if (lanes_[worker.lane].spec.overlap == Overlap::kLayer) {
    timeline_->Schedule(now() + lasts / worker.spec.device->layer_count(), Priority::kDevice, this,
                        Payload(Kind::kLayerFlows, w, worker.step_generation));
  }
}

// From now until the step's end all layers but the last hand over; the last one's part follows at
// the end. What the link does meanwhile is its business. (The layers in between are not followed
// one by one: a link faster than the worker is then credited with at most one step too early.)
void EngineState::OnLayerFlows(uint32_t w, uint32_t generation) {
  Worker& worker = workers_[w];
  if (generation != worker.step_generation || !worker.stepping) return;
  const int64_t layers = worker.spec.device->layer_count();
  for (const Worker::Part& part : worker.step) {
    if (!Lives({part.slot, part.generation})) continue;
    const uint32_t end = part.before + part.fresh;
    const uint32_t begin = sequences_[part.slot].moved_to;
    if (end <= begin) continue;
    const Bytes all = lanes_[worker.lane].spec.kv_bytes_per_token * (end - begin);
    MoveBytes(part.slot, all - all / layers);
  }
}

void EngineState::OnStepEnd(uint32_t w, uint32_t generation) {
  Worker& worker = workers_[w];
  if (generation != worker.step_generation) return;  // the worker was lost meanwhile
  worker.stepping = false;
  const Lane& lane = lanes_[worker.lane];
  for (const Worker::Part& part : worker.step) {
    worker.pending_tokens -= part.fresh;
    if (!Lives({part.slot, part.generation})) continue;
    Sequence& s = sequences_[part.slot];
    s.prefill_done = part.before + part.fresh;
    if (lane.spec.overlap == Overlap::kChunk) Move(part.slot, s.prefill_done);
    if (lane.spec.overlap == Overlap::kLayer && s.prefill_done > s.moved_to) {
      const Bytes all = lane.spec.kv_bytes_per_token * (s.prefill_done - s.moved_to);
      s.moved_to = s.prefill_done;
      MoveBytes(part.slot, all / worker.spec.device->layer_count());
    }
    if (s.prefill_done == s.prefill_total) {
      if (worker.cache) worker.cache->Insert(s.outline->blocks);
      due_.push_back({part.slot, part.generation, 1});
    }
  }
  worker.step.clear();
  std::erase_if(worker.active, [this](const Worker::Entry& e) {
    return !Lives(e) || sequences_[e.slot].prefill_done == sequences_[e.slot].prefill_total;
  });
  // The next step begins when the queue has had its turn: newcomers fill what the budget leaves.
  lanes_[worker.lane].dirty = any_dirty_ = true;
}

}  // namespace waferline::engine
