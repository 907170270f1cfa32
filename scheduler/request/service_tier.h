// Service tiers as clients name them, and which of them a request was served by. A model may have
// fast decode units (wafers) and slow ones (GPUs) behind one name; what decides is
// scheduler/policy/tiers.h. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace waferline {

enum class ServiceTier : uint8_t { kAuto, kDefault, kFlex, kPriority };

// Of decode units.
enum class UnitTier : uint8_t { kFast, kSlow };
inline constexpr int kUnitTiers = 2;
constexpr UnitTier Other(UnitTier tier) {
  return tier == UnitTier::kFast ? UnitTier::kSlow : UnitTier::kFast;
}

// "auto", "default", "flex", "priority".
std::string_view NameOf(ServiceTier tier);
std::optional<ServiceTier> ServiceTierNamed(std::string_view name);

// What an answer says served it; never kAuto. `by`: whose units did, none if the model has units of
// one tier only, where every request gets what it asked for. The fast units are kPriority; the slow
// ones kFlex for who asked for that, else kDefault.
ServiceTier ServedTier(ServiceTier asked, std::optional<UnitTier> by);

// The tier that a request is charged for: that which served it, but never more than it asked for
// (flex < default < priority). kAuto asks for kDefault.
ServiceTier ChargedTier(ServiceTier asked, ServiceTier served);

}  // namespace waferline
