// Which units a lane's policy is shown, so that it chooses as if it saw all of them.
#include <algorithm>
#include <tuple>
#include <utility>

#include "scheduler/engine/decode_pool.h"
#include "scheduler/engine/usable_prefix.h"

namespace waferline::engine {

size_t DecodePool::OrderOf(const Unit& unit, LaneUnits* lane) const {
  const Order wanted{.tier = unit.spec.tier,
                     .capacity_pages = unit.ledger->pages().capacity().count(),
                     .page_tokens = unit.ledger->page_tokens().count(),
                     .max_running = unit.spec.max_running,
                     .depth = unit.depth,
                     .units = {}};
  const auto key = [](const Order& o) {
    return std::tie(o.tier, o.capacity_pages, o.page_tokens, o.max_running, o.depth);
  };
  const auto at = std::ranges::find_if(
      lane->orders, [&](const Order& order) { return key(order) == key(wanted); });
  if (at != lane->orders.end()) return static_cast<size_t>(at - lane->orders.begin());
  lane->orders.push_back(wanted);
  return lane->orders.size() - 1;
}

// What a unit has free has changed, or is about to before anything else is asked.
void DecodePool::Changed(UnitIndex u) const {
  Unit& unit = units_[u];
  if (std::exchange(unit.stale, true)) return;
  lanes_[unit.lane].stale.push_back(u);
}

DecodePool::LaneUnits& DecodePool::Refreshed(LaneIndex index) const {
  LaneUnits& lane = lanes_[index];
  if (std::exchange(lane.routes_version, handoffs_->routes_version()) !=
      handoffs_->routes_version()) {
    for (const UnitIndex u : lane.units) Changed(u);
  }
  for (const UnitIndex u : lane.stale) {
    Unit& unit = units_[u];
    unit.stale = false;
    const policy::UnitView view = ViewOf(u);
    std::optional<policy::UnitKey> key;
    if (view.alive) key = policy::KeyOf(context_->lanes[index].unit_rule, view);
    if (Orders(lane)) lane.orders[unit.order].units.Set(unit.index, key);
    const PagePool& pages = unit.ledger->pages();
    const bool has_pages = pages.used().as_double() / pages.capacity().as_double() < 0.9;
    const int64_t free_slots = view.alive && has_pages ? unit.running->free().count() : 0;
    lane.free_slots[static_cast<size_t>(unit.spec.tier)] +=
        free_slots - std::exchange(unit.free_slots, free_slots);
    lane.usable += static_cast<size_t>(view.alive) -
                   static_cast<size_t>(std::exchange(unit.usable, view.alive));
  }
  lane.stale.clear();
  return lane;
}

policy::UnitView DecodePool::ViewOf(UnitIndex u) const {
  const Unit& unit = units_[u];
  const Pages evictable = unit.cache ? unit.cache->evictable() : Pages();
  return {.tier = unit.spec.tier,
          .alive = IsUsable(u),
          .running = static_cast<int>(unit.running->used().count()),
          .max_running = unit.spec.max_running,
          .depth = unit.depth,
          .free_pages = (unit.ledger->pages().free() + evictable).count(),
          .capacity_pages = unit.ledger->pages().capacity().count()};
}

policy::UnitView DecodePool::ViewOf(UnitIndex u, const Sequence& s) const {
  const Unit& unit = units_[u];
  const size_t cached = CachedBlocks(unit, s);
  policy::UnitView view = ViewOf(u);
  if (cached > 0) {
    // What it uses itself will be pinned and cannot make room; counting all of it as pinned is
    // at worst too careful by blocks that are pinned already.
    const int64_t own = static_cast<int64_t>(cached) *
                        (unit.cache->pages().count() / std::max<int64_t>(1, unit.cache->size()));
    view.free_pages -= std::min(own, unit.cache->evictable().count());
  }
  view.needed_pages = NeededPages(unit, s, cached).count();
  view.cached_tokens = UsableTokens(cached, s).count();
  return view;
}

// The units of which one is what the policy would choose of all: of each order the first that has
// room and nothing cached, what comes before it, and what has the prompt's first block cached.
void DecodePool::Show(const LaneUnits& lane, policy::UnitRule rule, const Sequence& s) const {
  shown_.clear();
  for (const Order& order : lane.orders) {
    for (const auto& [key, device] : order.units) {
      shown_.push_back(device);
      const policy::UnitView view = ViewOf(lane.units[device], s);
      if (view.running >= view.max_running) break;  // and so are all behind it
      if (view.cached_tokens > 0) continue;
      if (policy::HasRoom(view) || policy::OrdersByRoom(rule)) break;
    }
  }
  const auto holders = lane.holders.Of(s.outline->blocks);
  shown_.insert(shown_.end(), holders.begin(), holders.end());
  std::ranges::sort(shown_);
  shown_.erase(std::unique(shown_.begin(), shown_.end()), shown_.end());
}

void DecodePool::ShowAll(const LaneUnits& lane) const {
  shown_.clear();
  lane.units.ForEachIndex([this](DeviceIndex device) { shown_.push_back(device); });
}

std::optional<UnitIndex> DecodePool::PickOfShown(SlotIndex slot) const {
  const Sequence& s = (*sequences_)[slot];
  const LaneIndex index = sequences_->hot(slot).lane;
  const LaneUnits& lane = lanes_[index];
  views_.clear();
  for (const DeviceIndex device : shown_) views_.push_back(ViewOf(lane.units[device], s));
  const std::optional<size_t> chosen =
      policy::ChooseUnit(context_->lanes[index].unit_rule, s.waits_for, views_);
  if (!chosen) return std::nullopt;
  return lane.units[shown_[*chosen]];
}

std::optional<UnitIndex> DecodePool::Pick(SlotIndex slot) const {
  const LaneIndex lane = sequences_->hot(slot).lane;
  const LaneUnits& all = Refreshed(lane);
  if (Orders(all)) {
    Show(all, context_->lanes[lane].unit_rule, (*sequences_)[slot]);
  } else {
    ShowAll(all);
  }
  return PickOfShown(slot);
}

}  // namespace waferline::engine
