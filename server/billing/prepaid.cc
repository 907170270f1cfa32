#include "server/billing/prepaid.h"

#include "server/billing/rating.h"

namespace waferline::billing {

bool IsPrepaid(const PriceBook* prices, std::string_view plan, int64_t instant_us) {
  if (prices == nullptr || plan.empty()) return false;
  const auto version = prices->At(instant_us);
  if (!version.ok()) return false;
  const auto found = (*version)->PlanNamed(plan);
  return found.ok() && (*found)->prepaid;
}

absl::StatusOr<Money> PrepaidTime(const PriceBook& prices, const UsageRecord& record) {
  if (!IsPrepaid(&prices, record.plan, record.admitted_us)) return Money();
  return ComputeTimeCost(prices, record);
}

}  // namespace waferline::billing
