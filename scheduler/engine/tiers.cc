// Which tier a sequence waits for, and room on a unit of it or of the other one.
#include <algorithm>
#include <array>
#include <cmath>

#include "scheduler/engine/engine_impl.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {
namespace {
constexpr policy::TierChoice kSlowOnly{UnitTier::kSlow, false};
}  // namespace

policy::TierChoice EngineImpl::ChooseTier(SlotIndex slot) const {
  const Sequence& s = sequences()[slot];
  const LaneIndex lane = sequences().hot(slot).lane;
  const TierUse& use = tiers_[lane];
  if (!use.has_both()) return {use.only(), false};
  const policy::TierSettings& settings = context_.lanes[lane].tiers;
  policy::TierView view{.queue_class = s.queue_class,
                        .deadline = s.request.deadline,
                        .prompt_tokens = s.outline->tokens,
                        .output_tokens = s.request.max_tokens,
                        .fast_tokens = use.tokens(UnitTier::kFast),
                        .all_tokens = use.tokens(UnitTier::kFast) + use.tokens(UnitTier::kSlow)};
  if (settings.rule == policy::TierRule::kCached) {
    view.cached_tokens = decode_.MostCached(lane, UnitTier::kFast, s);
  }
  if (settings.rule == policy::TierRule::kDeadline && view.deadline) {
    const double service = ServiceTime(slot, kSlowOnly);
    // Half of what an integer holds: a tier without a unit alive takes for ever.
    view.expected_on_slow = Nanoseconds(
        std::llround(std::min(service + ExpectedQueue(lane, kSlowOnly).as_double(), 0x1p62)));
  }
  return policy::ChooseTier(settings, view);
}

Room EngineImpl::TakeRoom(UnitIndex unit, SlotIndex slot) {
  tiers_[sequences().hot(slot).lane].MoveTo(&sequences()[slot], decode_.spec(unit).tier);
  return decode_.Take(unit, slot);
}

void EngineImpl::CheckTierLaws() const {
  context_.lanes.ForEachIndex([this](LaneIndex lane) {
    std::array<int64_t, kUnitTiers> promised{};
    sequences().ForEach([&](SlotIndex slot) {
      const Sequence& s = sequences()[slot];
      if (sequences().hot(slot).lane == lane) promised[static_cast<size_t>(s.tier)] += s.promised;
    });
    for (const UnitTier tier : {UnitTier::kFast, UnitTier::kSlow}) {
      WL_CHECK(tiers_[lane].promised(tier) == promised[static_cast<size_t>(tier)]);
    }
  });
}

}  // namespace waferline::engine
