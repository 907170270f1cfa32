// Room on the decode units: who gets it, and how it is given back.
#include <algorithm>
#include <limits>
#include <utility>

#include "scheduler/engine/decode_pool.h"
#include "scheduler/engine/usable_prefix.h"

namespace waferline::engine {
namespace {
// Weight of the newest sequence in the mean time that rooms are held: about the last 30 count.
constexpr double kHoldWeight = 1.0 / 32;
}  // namespace

DecodePool::DecodePool(EngineContext* context, TokenEmitter* emitter, const HandoffLedger* handoffs)
    : context_(context),
      sequences_(&context->sequences),
      emitter_(emitter),
      handoffs_(handoffs),
      on_unit_(sequences_->size()),
      draws_(sequences_->size()),
      lanes_(context->lanes.size()) {
  context_->lanes.ForEachIndex([this](LaneIndex lane) {
    for (const DecodeUnitSpec& spec : context_->lanes[lane].units) Add(lane, spec);
  });
}

void DecodePool::Add(LaneIndex lane, const DecodeUnitSpec& spec) {
  const LaneSpec& lane_spec = context_->lanes[lane];
  const Speculation& speculation = spec.speculation ? *spec.speculation : lane_spec.speculation;
  const UnitIndex u = units_.Add();
  Unit& unit = units_[u];
  unit.spec = spec;
  unit.pipeline = spec.pipeline;
  for (const double p : speculation.acceptance) {
    unit.acceptance.push_back(SeededStream::BoundOf(p));
  }
  unit.draft_width = 1 + static_cast<int>(speculation.acceptance.size());
  if (unit.draft_width > 1) unit.draft_time = speculation.draft_time;
  unit.lane = lane;
  LaneUnits& all = lanes_[lane];
  unit.index = all.units.Add(u);
  unit.ledger = std::make_unique<StageLedger>(spec.memory);
  const bool pipeline_of_wafers = spec.pipeline != nullptr && spec.wafers >= 0;
  const int wafers = pipeline_of_wafers ? spec.devices : std::max(0, spec.wafers);
  unit.meter = DeviceMeter(spec.devices, wafers, spec.milliwatts);
  unit.running = std::make_unique<RunningSlotPool>(RunningSlots(spec.max_running));
  unit.depth = spec.pipeline != nullptr ? spec.pipeline->depth(Tokens(1)) : spec.max_running;
  all.largest =
      std::max(all.largest, unit.ledger->pages().capacity().count() * unit.ledger->page_tokens());
  unit.order = OrderOf(unit, &all);
  Changed(u);
  if (!spec.prefix_cache) return;
  unit.cache = std::make_unique<BlockCache>(
      &unit.ledger->pages(), Pages(lane_spec.block_tokens / unit.ledger->page_tokens().count()),
      BlockCache::Owner{context_->EvictionsOf(lane), &all.holders, unit.index});
}

size_t DecodePool::CachedBlocks(const Unit& unit, const Sequence& s) const {
  return unit.cache ? UsableBlocks(*unit.cache, s) : 0;
}

Pages DecodePool::NeededPages(const Unit& unit, const Sequence& s, size_t cached_blocks) const {
  return unit.ledger->PagesFor(s.total_tokens() - UsableTokens(cached_blocks, s));
}

int64_t DecodePool::MostCached(LaneIndex index, UnitTier tier, const Sequence& s) const {
  const LaneUnits& lane = lanes_[index];
  int64_t most = 0;
  for (const DeviceIndex device : lane.holders.Of(s.outline->blocks)) {
    const UnitIndex u = lane.units[device];
    if (!IsUsable(u) || units_[u].spec.tier != tier) continue;
    most = std::max(most, UsableTokens(CachedBlocks(units_[u], s), s).count());
  }
  return most;
}

int64_t DecodePool::FreshTokens(UnitIndex u, SlotIndex slot) const {
  const Sequence& s = (*sequences_)[slot];
  return s.prefill_total - UsableTokens(CachedBlocks(units_[u], s), s).count();
}

Room DecodePool::Take(UnitIndex u, SlotIndex slot) {
  const Sequence& s = (*sequences_)[slot];
  Unit& unit = units_[u];
  Room room;
  room.unit = u;
  const size_t cached = CachedBlocks(unit, s);
  const Pages needed = NeededPages(unit, s, cached);
  if (unit.cache) {
    room.prefix = unit.cache->Hold(s.outline->blocks, cached);
    room.prefix_tokens = static_cast<uint32_t>(UsableTokens(cached, s).count());
    unit.cache->MakeRoom(needed);
  }
  room.running = *unit.running->Take(RunningSlots(1));
  room.pages = *unit.ledger->pages().Take(needed);
  unit.kv.Change(context_->now(), needed);
  sequences_->hot(slot).unit = u;
  Changed(u);
  return room;
}

void DecodePool::Return(SlotIndex slot) {
  Sequence& s = (*sequences_)[slot];
  const Room* room = RoomOf(s.stage);
  if (room == nullptr) return;
  Unit& unit = units_[room->unit];
  Changed(room->unit);
  unit.kv.Change(context_->now(), Pages() - room->pages.amount());
  unit.meter.Charge(std::exchange(on_unit_[slot], Nanoseconds()), &s.compute);
  auto* resident = std::get_if<Resident>(&s.stage);
  if (resident == nullptr) return;
  resident->room.pages.Release();
  if (unit.cache && unit.alive) context_->Store(slot, unit.cache.get());
  const Nanoseconds held = s.spent_in(Phase::kPrefill) + s.spent_in(Phase::kTransfer) +
                           (context_->now() - s.phase_since);
  double& mean_ns = lanes_[unit.lane].mean_hold_ns;
  mean_ns += kHoldWeight * (held.as_double() - mean_ns);
}

bool DecodePool::GivesEnough(const Resident& resident, SlotIndex slot) const {
  const Unit& unit = units_[resident.room.unit];
  const Sequence& s = (*sequences_)[slot];
  const Pages gives = resident.room.pages.amount() + unit.ledger->pages().free();
  return IsUsable(resident.room.unit) && s.waits_for.Allows(unit.spec.tier) &&
         gives >= NeededPages(unit, s, 0);
}

void DecodePool::Lose(UnitIndex u) {
  Unit& unit = units_[u];
  Changed(u);
  unit.alive = false;
  unit.stepping = false;
  ++unit.step_generation;
  unit.members.clear();
  if (unit.cache) unit.cache->Clear();
}

void DecodePool::Restore(UnitIndex u) {
  Changed(u);
  units_[u].alive = true;
}

void DecodePool::SetSlowdown(UnitIndex u, double factor) {
  const DecodeUnitSpec& spec = units_[u].spec;
  units_[u].slowdown = factor;
  if (spec.pipeline != nullptr) {
    spec.pipeline->SetSlowdown(factor);
  } else {
    spec.batch->SetSlowdown(factor);
    // Failed links between its sides are part of what this replaces.
    if (spec.batch->sides() != nullptr) SetSideSlowdown(u, Side::kLink, 1);
  }
}

void DecodePool::SetStageSlowdown(UnitIndex u, uint32_t stage, double factor) {
  Unit& unit = units_[u];
  unit.spec.pipeline->SetStageSlowdown(static_cast<int>(stage), factor);
  if (unit.slow_stages.size() <= stage) unit.slow_stages.resize(stage + 1, 1.0);
  unit.slow_stages[stage] = factor;
}

void DecodePool::SetSideSlowdown(UnitIndex u, Side side, double factor) {
  Unit& unit = units_[u];
  unit.spec.batch->sides()->SetSideSlowdown(side, factor);
  unit.sides.slowdown[static_cast<size_t>(side)] = factor;
}

void DecodePool::SetLinkSpeed(UnitIndex u, double share) {
  KvLink* const link = units_[u].spec.link;
  link->SetSpeed(share);
  for (Unit& unit : units_) {
    if (unit.spec.link == link) unit.link_speed = share;
  }
}

void DecodePool::ResetCaches() {
  units_.ForEachIndex([this](UnitIndex u) {
    Unit& unit = units_[u];
    if (unit.cache) unit.cache->MakeRoom(Pages(std::numeric_limits<int64_t>::max()));
    Changed(u);
    context_->dirty.Mark(unit.lane);
  });
}

}  // namespace waferline::engine
