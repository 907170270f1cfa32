#include "scheduler/policy/routing.h"

#include <limits>
#include <tuple>

namespace waferline::policy {
namespace {

// Smaller is better.
using Cost = std::tuple<double, double>;

Cost CostOf(UnitRule rule, const UnitView& unit) {
  const double filled = 1.0 - static_cast<double>(unit.free_pages - unit.needed_pages) /
                                  static_cast<double>(unit.capacity_pages);
  const double queue = static_cast<double>(unit.running) / unit.depth;
  switch (rule) {
    case UnitRule::kMostHeadroom:
      break;
    case UnitRule::kShortestQueue:
      return {queue, filled};
    case UnitRule::kSticky:
      return {-static_cast<double>(unit.cached_tokens), filled};
  }
  return {filled, queue};
}

std::optional<size_t> BestOfTier(UnitRule rule, UnitTier tier, std::span<const UnitView> units) {
  std::optional<size_t> best;
  for (size_t i = 0; i < units.size(); ++i) {
    if (units[i].tier != tier || !HasRoom(units[i])) continue;
    if (!best || CostOf(rule, units[i]) < CostOf(rule, units[*best])) best = i;
  }
  return best;
}

}  // namespace

bool HasRoom(const UnitView& unit) {
  return unit.alive && unit.running < unit.max_running && unit.needed_pages <= unit.free_pages;
}

UnitKey KeyOf(UnitRule rule, const UnitView& unit) {
  const int64_t full = unit.running < unit.max_running ? 0 : 1;
  switch (rule) {
    case UnitRule::kMostHeadroom:
      return {full, -unit.free_pages, unit.running};
    case UnitRule::kShortestQueue:
      return {full, unit.running, -unit.free_pages};
    case UnitRule::kSticky:
      break;
  }
  return {full, -unit.free_pages, 0};
}

bool OrdersByRoom(UnitRule rule) {
  return rule == UnitRule::kMostHeadroom || rule == UnitRule::kSticky;
}

std::optional<size_t> ChooseWorker(WorkerRule rule, std::span<const WorkerView> workers,
                                   int64_t prompt_tokens, uint64_t ordinal) {
  const size_t count = workers.size();
  std::optional<size_t> best;
  double best_cost = std::numeric_limits<double>::max();
  for (size_t step = 0; step < count; ++step) {
    const size_t i = rule == WorkerRule::kRoundRobin ? (ordinal + step) % count : step;
    const WorkerView& worker = workers[i];
    if (!worker.alive || !worker.has_room) continue;
    if (rule == WorkerRule::kRoundRobin) return i;
    int64_t work = worker.pending_tokens;
    if (rule == WorkerRule::kPrefixAware) work += prompt_tokens - worker.cached_tokens;
    const double cost = static_cast<double>(work) * worker.slowdown;
    if (cost < best_cost) {
      best = i;
      best_cost = cost;
    }
  }
  return best;
}

std::optional<size_t> ChooseUnit(UnitRule rule, const TierChoice& choice,
                                 std::span<const UnitView> units) {
  if (const auto best = BestOfTier(rule, choice.tier, units)) return best;
  bool alive = false;
  for (const UnitView& unit : units) alive |= unit.alive && unit.tier == choice.tier;
  if (alive && !choice.spills) return std::nullopt;
  return BestOfTier(rule, Other(choice.tier), units);
}

bool PrefillOnUnit(const LocalPrefillSettings& settings, UnitKind kind, int64_t fresh_tokens) {
  return kind == UnitKind::kWafer && fresh_tokens <= settings.max_fresh_tokens;
}

}  // namespace waferline::policy
