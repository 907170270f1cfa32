#include "server/contracts/capacity.h"

#include <algorithm>
#include <cmath>

#include "server/money/proportion.h"

namespace waferline::contracts {
namespace {

// Delivered by the end of the i-th month (0: the first), i from -1 on.
int64_t DeliveredBy(const Delivery& delivery, int64_t kw, int i) {
  const int64_t passed = std::clamp<int64_t>(i + 1, 0, delivery.months());
  const int64_t all = delivery.months();
  if (delivery.shape == Shape::kEven) return Proportion(kw, passed, all);
  return Proportion(kw, passed * (passed + 1), all * (all + 1));
}

struct Tranche {
  const Delivery* delivery;
  int64_t kw;
  int64_t By(Month month) const { return DeliveredBy(*delivery, kw, month - delivery->from); }
};

}  // namespace

std::vector<CapacityMonth> CapacityOf(const Contract& contract, bool options) {
  std::vector<Tranche> parts = {{&contract.delivery, contract.committed_kw}};
  if (options) {
    for (const Option& option : contract.options) {
      if (option.exercised) parts.push_back({&option.delivery, option.extra_kw});
    }
  }
  const int term = static_cast<int>(contract.term_months.value);
  Month last = contract.delivery.to;
  for (const Tranche& part : parts) last = std::max(last, part.delivery->to);
  std::vector<CapacityMonth> months;
  int64_t before = 0;  // in service at the month's begin
  for (Month month = contract.delivery.from; month <= last + term; month = month + 1) {
    CapacityMonth row{.month = month};
    int64_t ended = 0;
    for (const Tranche& part : parts) {
      row.delivered_kw += part.By(month);
      ended += part.By(month + -term);
    }
    const int64_t after = row.delivered_kw - ended;
    row.twice_kw = before + after;
    before = after;
    months.push_back(row);
  }
  return months;
}

int64_t WattsPerSystem(const Contract& contract) {
  const double watts = contract.kw_per_system.value * contract.pue.value * 1e3;
  return std::max<int64_t>(1, std::llround(watts));
}

int64_t SystemsWithin(const Contract& contract, int64_t kw) {
  return kw * 1000 / WattsPerSystem(contract);
}

int64_t SystemsPromised(const Contract& contract, int64_t kw) {
  const int64_t watts = WattsPerSystem(contract);
  return (kw * 1000 + watts - 1) / watts;
}

}  // namespace waferline::contracts
