// Which workers a lane's policy is shown, so that it chooses as if it saw all of them.
#include <algorithm>

#include "scheduler/engine/prefill_pool.h"
#include "scheduler/engine/usable_prefix.h"

namespace waferline::engine {

void PrefillPool::AddPending(Worker* worker, int64_t tokens) {
  worker->pending_tokens += tokens;
  lanes_[worker->lane].pending_tokens += static_cast<double>(tokens);
  Reorder(*worker);
}

void PrefillPool::Reorder(const Worker& worker) {
  if (!Orders(lanes_[worker.lane])) return;
  std::optional<int64_t> key;
  if (worker.alive && worker.pending_tokens < worker.spec.backlog_tokens.count()) {
    key = policy::KeyOf({.pending_tokens = worker.pending_tokens});
  }
  lanes_[worker.lane].orders[worker.slowdown].Set(worker.index, key);
}

void PrefillPool::Recount(LaneIndex lane) {
  LaneWorkers& all = lanes_[lane];
  all.alive = 0;
  all.pending_tokens = all.tokens_per_ns = 0;
  for (const WorkerIndex w : all.workers) {
    const Worker& worker = workers_[w];
    if (!worker.alive) continue;
    ++all.alive;
    all.pending_tokens += static_cast<double>(worker.pending_tokens);
    all.tokens_per_ns += worker.tokens_per_ns / worker.slowdown;
  }
}

policy::WorkerView PrefillPool::ViewOf(const Worker& worker, const Sequence& s) const {
  const bool has_room = worker.pending_tokens < worker.spec.backlog_tokens.count() &&
                        worker.memory->free() >= Tokens(s.prefill_total);
  int64_t cached = 0;
  if (worker.cache && worker.alive && has_room) {
    cached = UsableTokens(UsableBlocks(*worker.cache, s), s).count();
  }
  return {.alive = worker.alive,
          .has_room = has_room,
          .pending_tokens = worker.pending_tokens,
          .cached_tokens = cached,
          .slowdown = worker.slowdown};
}

// The workers of which one is what the policy would choose of all: of those equally fast the first
// that has room and nothing cached, what comes before it, and what has the prompt's first block
// cached.
void PrefillPool::Show(const LaneWorkers& lane, policy::WorkerRule rule, SlotIndex slot) const {
  const Sequence& s = (*sequences_)[slot];
  shown_.clear();
  if (rule == policy::WorkerRule::kRoundRobin) {
    const auto count = static_cast<uint32_t>(lane.workers.size());
    for (uint32_t step = 0; step < count && shown_.empty(); ++step) {
      const uint64_t turn = sequences_->hot(slot).ordinal + step;
      const DeviceIndex device{static_cast<uint32_t>(turn % count)};
      const policy::WorkerView view = ViewOf(workers_[lane.workers[device]], s);
      if (view.alive && view.has_room) shown_.push_back(device);
    }
    return;
  }
  for (const auto& [slowdown, order] : lane.orders) {
    for (const auto& [key, device] : order) {
      const policy::WorkerView view = ViewOf(workers_[lane.workers[device]], s);
      if (!view.has_room) continue;
      shown_.push_back(device);
      if (view.cached_tokens == 0) break;
    }
  }
  const auto holders = lane.holders.Of(s.outline->blocks);
  shown_.insert(shown_.end(), holders.begin(), holders.end());
  std::ranges::sort(shown_);
  shown_.erase(std::unique(shown_.begin(), shown_.end()), shown_.end());
}

void PrefillPool::ShowAll(const LaneWorkers& lane) const {
  shown_.clear();
  lane.workers.ForEachIndex([this](DeviceIndex device) { shown_.push_back(device); });
}

std::optional<WorkerIndex> PrefillPool::PickOfShown(SlotIndex slot) const {
  const Sequence& s = (*sequences_)[slot];
  const HotSequence& hot = sequences_->hot(slot);
  const LaneWorkers& lane = lanes_[hot.lane];
  views_.clear();
  for (const DeviceIndex device : shown_) {
    views_.push_back(ViewOf(workers_[lane.workers[device]], s));
  }
  const std::optional<size_t> chosen = policy::ChooseWorker(context_->lanes[hot.lane].worker_rule,
                                                            views_, s.prefill_total, hot.ordinal);
  if (!chosen) return std::nullopt;
  return lane.workers[shown_[*chosen]];
}

std::optional<WorkerIndex> PrefillPool::Pick(SlotIndex slot) const {
  const LaneIndex lane = sequences_->hot(slot).lane;
  if (Orders(lanes_[lane])) {
    Show(lanes_[lane], context_->lanes[lane].worker_rule, slot);
  } else {
    ShowAll(lanes_[lane]);
  }
  return PickOfShown(slot);
}

}  // namespace waferline::engine
