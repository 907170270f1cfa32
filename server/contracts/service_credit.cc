#include "server/contracts/service_credit.h"

#include <algorithm>

#include "wafer_backend/base/status.h"

namespace waferline::contracts {

absl::StatusOr<Money> ServiceCredit(const Service& service, const Availability& measured,
                                    const CreditBase& base) {
  constexpr int64_t kThousand = 1000;
  const int64_t missing =
      service.availability.thousandths() * measured.of - kThousand * measured.served;
  if (missing <= 0) return Money();
  WL_ASSIGN_OR_RETURN(const Money shortfall,
                      base.committed.Fraction(missing, kThousand * measured.of));
  WL_ASSIGN_OR_RETURN(const Money cap, base.billed.Fraction(service.cap.thousandths(), kThousand));
  return std::min(shortfall, cap);
}

}  // namespace waferline::contracts
