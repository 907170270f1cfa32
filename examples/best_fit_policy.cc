// A scheduling policy by itself. Policies are pure functions: a snapshot of the devices in, one
// decision out; the engine alone acts. That makes them easy to try without an engine, as here: the
// same requests are placed by the built-in rule (most headroom) and by one of our own (best fit:
// the fullest unit that still has room), and we count how many find a place.
//
// To make it a rule that a configuration can name, see docs/adding-a-policy.md.
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "scheduler/policy/routing.h"

namespace policy = waferline::policy;

namespace {

// The fullest unit that takes one more; nullopt: none. Ties go to the smaller index, as for every
// rule.
std::optional<size_t> ChooseBestFit(std::span<const policy::UnitView> units) {
  std::optional<size_t> best;
  for (size_t i = 0; i < units.size(); ++i) {
    const policy::UnitView& unit = units[i];
    if (!unit.alive || unit.running >= unit.max_running || unit.free_pages < unit.needed_pages)
      continue;
    if (!best || unit.free_pages < units[*best].free_pages) best = i;
  }
  return best;
}

// Many small requests, then large ones that need a nearly empty unit. None ends.
int CountPlaced(
    const std::function<std::optional<size_t>(std::span<const policy::UnitView>)>& choose) {
  constexpr int64_t kCapacityPages = 100;
  std::vector<policy::UnitView> units(4);
  for (policy::UnitView& unit : units) {
    unit.max_running = 64;
    unit.depth = 32;
    unit.capacity_pages = unit.free_pages = kCapacityPages;
  }
  int placed = 0;
  const auto place = [&](int64_t pages) {
    for (policy::UnitView& unit : units) unit.needed_pages = pages;
    const std::optional<size_t> index = choose(units);
    if (!index) return;
    policy::UnitView& unit = units[*index];
    unit.free_pages -= pages;
    ++unit.running;
    ++placed;
  };
  for (int i = 0; i < 20; ++i) place(5);
  for (int i = 0; i < 3; ++i) place(90);
  return placed;
}

}  // namespace

int main() {
  const int headroom = CountPlaced([](std::span<const policy::UnitView> units) {
    return policy::ChooseUnit(policy::UnitRule::kMostHeadroom, policy::kAnyTier, units);
  });
  const int best_fit = CountPlaced(ChooseBestFit);
  std::printf("of 23 requests: most headroom places %d, best fit %d\n", headroom, best_fit);
  // 20 small ones fill one unit exactly, so that best fit leaves three for the large ones.
  return headroom == 20 && best_fit == 23 ? 0 : 1;
}
