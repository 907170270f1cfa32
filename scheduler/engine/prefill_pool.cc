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
      by_lane_(context->lanes.size()) {
  context_->lanes.ForEachIndex([this](LaneIndex lane) {
    for (const PrefillWorkerSpec& spec : context_->lanes[lane].workers) Add(lane, spec);
  });
}

void PrefillPool::Add(LaneIndex lane, const PrefillWorkerSpec& spec) {
  const WorkerIndex w = workers_.Add();
  Worker& worker = workers_[w];
  worker.spec = spec;
  worker.lane = lane;
  worker.index = by_lane_[lane].Add(w);
  worker.memory = std::make_unique<TokenPool>(spec.memory_tokens);
  worker.meter = DeviceMeter(spec.devices, 0, spec.milliwatts);
  const PrefillChunk full{spec.step_tokens, Tokens()};
  worker.tokens_per_ns =
      spec.step_tokens.as_double() / std::max(1.0, spec.device->StepTime({&full, 1}).as_double());
  if (spec.cache_tokens <= Tokens()) return;
  worker.cache_blocks = std::make_unique<PagePool>(
      Pages(std::max<int64_t>(1, spec.cache_tokens.count() / context_->lanes[lane].block_tokens)));
  worker.cache = std::make_unique<BlockCache>(worker.cache_blocks.get(), Pages(1),
                                              context_->EvictionsOf(lane));
}

std::optional<WorkerIndex> PrefillPool::Pick(SlotIndex slot) {
  const Sequence& s = (*sequences_)[slot];
  const HotSequence& hot = sequences_->hot(slot);
  views_.clear();
  for (const WorkerIndex w : by_lane_[hot.lane]) {
    const Worker& worker = workers_[w];
    const bool has_room = worker.pending_tokens < worker.spec.backlog_tokens.count() &&
                          worker.memory->free() >= Tokens(s.prefill_total);
    int64_t cached = 0;
    if (worker.cache && worker.alive && has_room) {
      cached = UsableTokens(UsableBlocks(*worker.cache, s), s).count();
    }
    views_.push_back({.alive = worker.alive,
                      .has_room = has_room,
                      .pending_tokens = worker.pending_tokens,
                      .cached_tokens = cached,
                      .slowdown = worker.slowdown});
  }
  const std::optional<size_t> chosen = policy::ChooseWorker(context_->lanes[hot.lane].worker_rule,
                                                            views_, s.prefill_total, hot.ordinal);
  if (!chosen) return std::nullopt;
  return At(hot.lane, DeviceIndex{static_cast<uint32_t>(*chosen)});
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
  worker.pending_tokens += s.prefill_total - s.prefill_done;
  worker.active.push_back(sequences_->RefOf(slot));
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
  worker.pending_tokens -= s.prefill_total - s.prefill_done - in_step;
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
}

void PrefillPool::ResetCaches() {
  for (Worker& worker : workers_) {
    if (worker.cache) worker.cache->MakeRoom(Pages(std::numeric_limits<int64_t>::max()));
  }
}

bool PrefillPool::AnyAlive(LaneIndex lane) const {
  return std::any_of(by_lane_[lane].begin(), by_lane_[lane].end(),
                     [this](WorkerIndex w) { return workers_[w].alive; });
}

bool PrefillPool::CouldHold(LaneIndex lane, Tokens tokens) const {
  return std::any_of(by_lane_[lane].begin(), by_lane_[lane].end(),
                     [&](WorkerIndex w) { return tokens <= workers_[w].memory->capacity(); });
}

double PrefillPool::ExpectedWait(LaneIndex lane, double waiting) const {
  double tokens = waiting;
  double rate = 0;
  for (const WorkerIndex w : by_lane_[lane]) {
    const Worker& worker = workers_[w];
    if (!worker.alive) continue;
    tokens += static_cast<double>(worker.pending_tokens);
    rate += worker.tokens_per_ns / worker.slowdown;
  }
  return rate > 0 ? tokens / rate : 0;
}

double PrefillPool::BestTime(LaneIndex lane, Tokens prompt) const {
  double best_ns = std::numeric_limits<double>::max();
  const PrefillChunk chunk{prompt, Tokens()};
  for (const WorkerIndex w : by_lane_[lane]) {
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
  for (const WorkerIndex w : by_lane_[lane]) {
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
  workers_.ForEachIndex([&](WorkerIndex w) {
    const Worker& worker = workers_[w];
    WL_CHECK(worker.memory->used() == memory[w]);
    WL_CHECK(worker.pending_tokens >= 0);
    WL_CHECK(!worker.active.empty() || worker.stepping || worker.pending_tokens == 0);
  });
}

}  // namespace waferline::engine
