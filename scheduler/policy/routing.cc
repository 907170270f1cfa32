#include "scheduler/policy/routing.h"

#include <limits>
#include <tuple>

namespace waferline::policy {
namespace {

bool HasRoom(const UnitView& unit) {
  return unit.alive && unit.running < unit.max_running && unit.needed_pages <= unit.free_pages;
}

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

std::optional<size_t> BestOfKind(const UnitSettings& settings, UnitKind kind,
                                 std::span<const UnitView> units) {
  std::optional<size_t> best;
  for (size_t i = 0; i < units.size(); ++i) {
    if (units[i].kind != kind || !HasRoom(units[i])) continue;
    if (!best || CostOf(settings.rule, units[i]) < CostOf(settings.rule, units[*best])) best = i;
  }
  return best;
}

}  // namespace

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

std::optional<size_t> ChooseUnit(const UnitSettings& settings, QueueClass queue_class,
                                 std::span<const UnitView> units) {
  const bool gpu_first = queue_class == QueueClass::kFlex && settings.flex_prefers_gpu;
  const UnitKind first = gpu_first ? UnitKind::kGpu : UnitKind::kWafer;
  const UnitKind second = gpu_first ? UnitKind::kWafer : UnitKind::kGpu;
  if (const auto best = BestOfKind(settings, first, units)) return best;
  bool first_alive = false;
  for (const UnitView& unit : units) first_alive |= unit.alive && unit.kind == first;
  if (first_alive && queue_class != QueueClass::kDefault) return std::nullopt;
  return BestOfKind(settings, second, units);
}

bool PrefillOnUnit(const LocalPrefillSettings& settings, UnitKind kind, int64_t fresh_tokens) {
  return kind == UnitKind::kWafer && fresh_tokens <= settings.max_fresh_tokens;
}

}  // namespace waferline::policy
