#include "scheduler/request/service_tier.h"

#include <algorithm>

namespace waferline {
namespace {

constexpr std::string_view kNames[] = {"auto", "default", "flex", "priority"};

int Rank(ServiceTier tier) {
  if (tier == ServiceTier::kFlex) return 0;
  return tier == ServiceTier::kPriority ? 2 : 1;
}

}  // namespace

std::string_view NameOf(ServiceTier tier) { return kNames[static_cast<size_t>(tier)]; }

std::optional<ServiceTier> ServiceTierNamed(std::string_view name) {
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<ServiceTier>(found - std::begin(kNames));
}

ServiceTier ServedTier(ServiceTier asked, std::optional<UnitTier> by) {
  if (by == UnitTier::kFast) return ServiceTier::kPriority;
  if (by == UnitTier::kSlow) {
    return asked == ServiceTier::kFlex ? ServiceTier::kFlex : ServiceTier::kDefault;
  }
  return asked == ServiceTier::kAuto ? ServiceTier::kDefault : asked;
}

ServiceTier ChargedTier(ServiceTier asked, ServiceTier served) {
  if (asked == ServiceTier::kAuto) asked = ServiceTier::kDefault;
  return Rank(asked) < Rank(served) ? asked : served;
}

}  // namespace waferline
