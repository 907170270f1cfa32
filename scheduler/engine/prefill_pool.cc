// Which prompts a worker has. Its steps are in prefill_steps.cc.
#include "scheduler/engine/prefill_pool.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "scheduler/engine/usable_prefix.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {

PrefillPool::PrefillPool(EngineContext* context, Listener* listener)
    : context_(context),
      sequences_(&context->sequences),
      listener_(listener),
      lanes_(context->lanes.size()) {
  context_->lanes.ForEachIndex([this](LaneIndex lane) {
    for (const PrefillWorkerSpec& spec : context_->lanes[lane].workers) Add(lane, spec);
    for (const WorkerIndex w : lanes_[lane].workers) Reorder(workers_[w]);
    Recount(lane);
  });
}

void PrefillPool::Add(LaneIndex lane, const PrefillWorkerSpec& spec) {
  const WorkerIndex w = workers_.Add();
  Worker& worker = workers_[w];
  worker.spec = spec;
  worker.lane = lane;
  LaneWorkers& all = lanes_[lane];
  worker.index = all.workers.Add(w);
  all.largest = std::max(all.largest, spec.memory_tokens);
  worker.memory = std::make_unique<TokenPool>(spec.memory_tokens);
  worker.meter = DeviceMeter(spec.devices, 0, spec.milliwatts);
  const PrefillChunk full{spec.step_tokens, Tokens()};
  worker.tokens_per_ns =
      spec.step_tokens.as_double() / std::max(1.0, spec.device->StepTime({&full, 1}).as_double());
  if (spec.cache_tokens <= Tokens()) return;
  worker.cache_blocks = std::make_unique<PagePool>(
      Pages(std::max<int64_t>(1, spec.cache_tokens.count() / context_->lanes[lane].block_tokens)));
  worker.cache = std::make_unique<BlockCache>(
      worker.cache_blocks.get(), Pages(1),
      BlockCache::Owner{context_->EvictionsOf(lane), &all.holders, worker.index});
}

void PrefillPool::ListIdle(WorkerIndex w) {
  Worker& worker = workers_[w];
  if (worker.stepping || worker.active.empty() || std::exchange(worker.listed, true)) return;
  lanes_[worker.lane].idle_with_prompts.push_back(w);
}

std::optional<Tokens> PrefillPool::Take(SlotIndex slot, WorkerIndex w, std::optional<Room> room) {
  Sequence& s = (*sequences_)[slot];
  Worker& worker = workers_[w];
  std::optional<Tokens> cached;
  Prefilling prefilling(std::move(std::get<Admitted>(s.stage)));
  prefilling.worker = w;
  prefilling.memory = *worker.memory->Take(Tokens(s.prefill_total));
  prefilling.room = std::move(room);
  if (worker.cache) {
    const size_t blocks = UsableBlocks(*worker.cache, s);
    prefilling.cached = worker.cache->Hold(s.outline->blocks, blocks);
    cached = UsableTokens(blocks, s);
    s.prefill_done = static_cast<uint32_t>(cached->count());
  }
  s.stage = std::move(prefilling);
  AddPending(&worker, s.prefill_total - s.prefill_done);
  worker.active.push_back(sequences_->RefOf(slot));
  ListIdle(w);
  return cached;
}

void PrefillPool::Forget(SlotIndex slot) {
  const Sequence& s = (*sequences_)[slot];
  const auto& prefilling = std::get<Prefilling>(s.stage);
  if (!prefilling.worker || !workers_[*prefilling.worker].alive) return;
  Worker& worker = workers_[*prefilling.worker];
  uint32_t in_step = 0;
  for (const Part& part : worker.step) {
    if (part.sequence == sequences_->RefOf(slot)) in_step = part.fresh;
  }
  AddPending(&worker, -int64_t{s.prefill_total - s.prefill_done - in_step});
}

void PrefillPool::Lose(WorkerIndex w) {
  Worker& worker = workers_[w];
  worker.alive = false;
  worker.stepping = false;
  ++worker.step_generation;
  worker.step.clear();
  worker.active.clear();
  worker.pending_tokens = 0;
  if (worker.cache) worker.cache->Clear();
  Reorder(worker);
  Recount(worker.lane);
}

void PrefillPool::Restore(WorkerIndex w) {
  Worker& worker = workers_[w];
  worker.alive = true;
  Reorder(worker);
  Recount(worker.lane);
}

void PrefillPool::SetSlowdown(WorkerIndex w, double factor) {
  Worker& worker = workers_[w];
  lanes_[worker.lane].orders[worker.slowdown].Set(worker.index, std::nullopt);
  worker.slowdown = factor;
  Reorder(worker);
  Recount(worker.lane);
}

void PrefillPool::ResetCaches() {
  for (Worker& worker : workers_) {
    if (worker.cache) worker.cache->MakeRoom(Pages(std::numeric_limits<int64_t>::max()));
  }
}

bool PrefillPool::AnyAlive(LaneIndex lane) const { return lanes_[lane].alive > 0; }

bool PrefillPool::CouldHold(LaneIndex lane, Tokens tokens) const {
  return tokens <= lanes_[lane].largest;
}

double PrefillPool::ExpectedWait(LaneIndex lane, double waiting) const {
  const LaneWorkers& all = lanes_[lane];
  return all.tokens_per_ns > 0 ? (waiting + all.pending_tokens) / all.tokens_per_ns : 0;
}

double PrefillPool::BestTime(LaneIndex lane, Tokens prompt) const {
  double best_ns = std::numeric_limits<double>::max();
  const PrefillChunk chunk{prompt, Tokens()};
  for (const WorkerIndex w : lanes_[lane].workers) {
    const Worker& worker = workers_[w];
    if (!worker.alive) continue;
    best_ns =
        std::min(best_ns, worker.spec.device->StepTime({&chunk, 1}).as_double() * worker.slowdown);
  }
  return best_ns;
}

std::vector<WorkerSnapshot> PrefillPool::Snapshot(LaneIndex lane) const {
  std::vector<WorkerSnapshot> snapshots;
  const int64_t block_tokens = context_->lanes[lane].block_tokens;
  for (const WorkerIndex w : lanes_[lane].workers) {
    const Worker& worker = workers_[w];
    snapshots.push_back(
        {worker.spec.name, worker.alive, worker.stepping, worker.slowdown, worker.pending_tokens,
         worker.cache ? worker.cache->pages().count() * block_tokens : 0, worker.meter.charged()});
  }
  return snapshots;
}

void PrefillPool::CheckLaws() const {
  IndexedVector<WorkerIndex, Tokens> memory(workers_.size());
  sequences_->ForEach([&](SlotIndex slot) {
    const Stage& stage = (*sequences_)[slot].stage;
    if (const auto* p = std::get_if<Prefilling>(&stage); p != nullptr && p->worker) {
      memory[*p->worker] += p->memory.amount();
    }
    if (const auto* p = std::get_if<Prefilled>(&stage)) memory[p->worker] += p->memory.amount();
  });
  sequences_->ForEach([this](SlotIndex slot) {
    if (!std::holds_alternative<Admitted>((*sequences_)[slot].stage)) return;
    const std::optional<WorkerIndex> chosen = Pick(slot);
    ShowAll(lanes_[sequences_->hot(slot).lane]);
    WL_CHECK(PickOfShown(slot) == chosen);
  });
  workers_.ForEachIndex([&](WorkerIndex w) {
    const Worker& worker = workers_[w];
    WL_CHECK(worker.memory->used() == memory[w]);
    WL_CHECK(worker.pending_tokens >= 0);
    WL_CHECK(worker.stepping || worker.active.empty() || worker.listed);
    WL_CHECK(!worker.active.empty() || worker.stepping || worker.pending_tokens == 0);
  });
}

}  // namespace waferline::engine
