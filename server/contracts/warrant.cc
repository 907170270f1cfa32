#include "server/contracts/warrant.h"

#include <algorithm>

#include "server/money/proportion.h"
#include "wafer_backend/base/status.h"

namespace waferline::contracts {
namespace {

int64_t Delivered(const WarrantPart& part, int64_t kw) {
  const int64_t reached = std::clamp<int64_t>(kw, 0, part.linear_to_kw);
  return ProportionDown(part.shares, reached, part.linear_to_kw);
}

}  // namespace

int64_t VestedShares(const Warrant& warrant, Month month, int64_t delivered_kw) {
  int64_t shares = 0;
  for (const WarrantPart& part : warrant.parts) {
    if (part.on == WarrantPart::On::kDelivery) {
      shares += Delivered(part, delivered_kw);
    } else if (part.month <= month) {
      shares += part.shares;
    }
  }
  return shares;
}

int64_t ProbableShares(const Warrant& warrant, int64_t kw) {
  int64_t shares = 0;
  for (const WarrantPart& part : warrant.parts) {
    shares += part.on == WarrantPart::On::kDelivery ? Delivered(part, kw) : part.shares;
  }
  return shares;
}

absl::StatusOr<Cents> ValueOf(const Warrant& warrant, int64_t shares) {
  WL_ASSIGN_OR_RETURN(const Money value, warrant.value.Of(shares));
  return value.RoundedToCents();
}

}  // namespace waferline::contracts
