// How loaded the decode units are: for admission, gauges and the laws.
#include <algorithm>
#include <limits>

#include "scheduler/engine/decode_pool.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {
namespace {

std::vector<Nanoseconds> BusyOfStages(const DecodePipeline* pipeline) {
  std::vector<Nanoseconds> busy;
  if (pipeline == nullptr) return busy;
  for (int i = 0; i < pipeline->stage_count(); ++i) busy.push_back(pipeline->StageBusy(i));
  return busy;
}

std::optional<SideState> SidesOf(const DecodeUnitSpec& spec, const SideState& state) {
  if (spec.batch == nullptr || spec.batch->sides() == nullptr) return std::nullopt;
  return state;
}

}  // namespace

bool DecodePool::AnyUsable(LaneIndex lane) const { return Refreshed(lane).usable > 0; }

bool DecodePool::CouldHold(LaneIndex lane, Tokens tokens) const {
  return tokens <= lanes_[lane].largest;
}

// If the units are full, as many rooms as are waited for have to come back first: those waiting
// each hold as many pages as those running do, for as long as they do.
double DecodePool::ExpectedWait(LaneIndex lane, const policy::TierChoice& tiers,
                                double waiting) const {
  const LaneUnits& all = Refreshed(lane);
  for (size_t tier = 0; tier < kUnitTiers; ++tier) {
    if (tiers.Allows(static_cast<UnitTier>(tier)) && all.free_slots[tier] > 0) return 0;
  }
  double slots = 0;
  for (const UnitIndex u : all.units) {
    if (!IsUsable(u) || !tiers.Allows(units_[u].spec.tier)) continue;
    const Unit& unit = units_[u];
    const PagePool& pages = unit.ledger->pages();
    const double filled = pages.used().as_double() / pages.capacity().as_double();
    const double running = unit.running->used().as_double();
    // How many of the present kind it holds when it is full.
    slots += filled > 0.01 ? std::min(unit.running->capacity().as_double(), running / filled)
                           : unit.running->capacity().as_double();
  }
  return slots > 0 ? (waiting + 1) * all.mean_hold_ns / slots : 0;
}

double DecodePool::BestTime(LaneIndex lane, const policy::TierChoice& tiers,
                            const Sequence& s) const {
  const double tokens = std::max<double>(1.0, s.request.max_tokens);
  const Tokens kv(s.outline->tokens + s.request.max_tokens / 2);
  const Bytes moved = context_->lanes[lane].kv_bytes_per_token * int64_t{s.outline->tokens};
  double best_ns = std::numeric_limits<double>::max();
  for (const UnitIndex u : lanes_[lane].units) {
    if (!IsUsable(u) || !tiers.Allows(units_[u].spec.tier)) continue;
    const Unit& unit = units_[u];
    const auto together = static_cast<int64_t>(unit.members.size()) + 1;
    const Nanoseconds step =
        unit.pipeline != nullptr
            ? unit.pipeline->Latency(kv)
            : unit.spec.batch->StepTime(static_cast<int>(together), kv * together, 1);
    double time_ns = step.as_double() * (tokens - 1);
    if (unit.spec.link != nullptr) time_ns += unit.spec.link->TimeAlone(moved).as_double();
    best_ns = std::min(best_ns, time_ns);
  }
  return best_ns;
}

std::vector<UnitSnapshot> DecodePool::Snapshot(LaneIndex lane) const {
  std::vector<UnitSnapshot> snapshots;
  for (const UnitIndex u : lanes_[lane].units) {
    const Unit& unit = units_[u];
    const Pages cached = unit.cache ? unit.cache->pages() : Pages();
    const PagePool& pages = unit.ledger->pages();
    snapshots.push_back(
        {.name = unit.spec.name,
         .alive = unit.alive,
         .reachable = handoffs_->reachable(u),
         .running = static_cast<int>(unit.running->used().count()),
         .max_running = unit.spec.max_running,
         .pages_used = (pages.used() - cached).count(),
         .pages_cached = cached.count(),
         .pages_capacity = pages.capacity().count(),
         .stages = unit.ledger->Occupancy(),
         .link_backlog = unit.spec.link != nullptr ? unit.spec.link->backlog() : Bytes(),
         .slowdown = unit.slowdown,
         .slow_stages = unit.slow_stages,
         .link_speed = unit.link_speed,
         .stage_busy = BusyOfStages(unit.pipeline),
         .sides = SidesOf(unit.spec, unit.sides),
         .max_pages_used = unit.kv.max().count(),
         .page_nanoseconds = unit.kv.AreaUntil(context_->now()),
         .charged = unit.meter.charged()});
  }
  return snapshots;
}

void DecodePool::CheckLaws() const {
  IndexedVector<UnitIndex, Pages> pages(units_.size());
  IndexedVector<UnitIndex, RunningSlots> running(units_.size());
  sequences_->ForEach([&](SlotIndex slot) {
    const Room* room = RoomOf((*sequences_)[slot].stage);
    if (room == nullptr) return;
    pages[room->unit] += room->pages.amount();
    running[room->unit] += room->running.amount();
  });
  units_.ForEachIndex([&](UnitIndex u) {
    const Unit& unit = units_[u];
    const PagePool& pool = unit.ledger->pages();
    WL_CHECK(pool.used() == pages[u] + (unit.cache ? unit.cache->pages() : Pages()));
    WL_CHECK(pool.used() <= pool.capacity());
    WL_CHECK(unit.kv.held() == pages[u]);
    WL_CHECK(unit.running->used() == running[u]);
    for (const StageOccupancy& stage : unit.ledger->Occupancy()) {
      WL_CHECK(stage.weights + stage.buffers + stage.kv_used <= stage.capacity);
    }
  });
  sequences_->ForEach([this](SlotIndex slot) {
    if (!std::holds_alternative<Admitted>((*sequences_)[slot].stage)) return;
    const std::optional<UnitIndex> chosen = Pick(slot);
    ShowAll(lanes_[sequences_->hot(slot).lane]);
    WL_CHECK(PickOfShown(slot) == chosen);
  });
}

}  // namespace waferline::engine
