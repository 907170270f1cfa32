#include "scheduler/policy/tiers.h"

namespace waferline::policy {
namespace {

bool IsEligible(const TierSettings& settings, const TierView& view) {
  switch (settings.rule) {
    case TierRule::kAll:
      return true;
    case TierRule::kPaid:
      return false;
    case TierRule::kDeadline:
      return view.deadline.has_value() && *view.deadline < view.expected_on_slow;
    case TierRule::kShortAnswer:
      return view.output_tokens <= settings.output_tokens;
    case TierRule::kLongAnswer:
      return view.output_tokens > settings.output_tokens;
    case TierRule::kCached:
      return view.cached_tokens > 0 &&
             static_cast<double>(view.cached_tokens) >=
                 settings.cached_share * static_cast<double>(view.prompt_tokens);
    case TierRule::kShare:
      return static_cast<double>(view.fast_tokens + view.output_tokens) <=
             settings.share * static_cast<double>(view.all_tokens + view.output_tokens);
  }
  return true;
}

}  // namespace

TierChoice ChooseTier(const TierSettings& settings, const TierView& view) {
  if (view.queue_class == QueueClass::kPriority) {
    return {UnitTier::kFast, settings.priority_spills};
  }
  const bool flex = view.queue_class == QueueClass::kFlex && settings.flex_prefers_slow;
  if (!flex && IsEligible(settings, view)) return {UnitTier::kFast, settings.default_spills};
  return {UnitTier::kSlow, settings.slow_spills};
}

}  // namespace waferline::policy
