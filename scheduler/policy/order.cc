#include "scheduler/policy/order.h"

#include <algorithm>
#include <limits>

namespace waferline::policy {

int64_t OrderKey(const OrderSettings& settings, const QueueEntry& entry) {
  switch (settings.rule) {
    case OrderRule::kArrival:
      break;
    case OrderRule::kPriority:
      // Clamped so that the product stays far from overflow: a million agings are months.
      return std::clamp(entry.priority, -1'000'000, 1'000'000) * settings.aging.count() +
             entry.arrival.count();
    case OrderRule::kDeadline:
      // Those without a deadline keep their order among themselves, behind every deadline.
      return entry.deadline ? entry.deadline->count()
                            : std::numeric_limits<int64_t>::max() / 2 + entry.arrival.count();
  }
  return entry.arrival.count();
}

}  // namespace waferline::policy
