// Shares that a buyer earns with its purchases, and the revenue that they cost. Pure functions.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "server/contracts/contract.h"

namespace waferline::contracts {

// Of all parts by the end of `month`, when `delivered_kw` are delivered. Whole shares, rounded down
// within a part.
int64_t VestedShares(const Warrant& warrant, Month month, int64_t delivered_kw);
// If `kw` are delivered in the end: what is probable. Parts by month count in full.
int64_t ProbableShares(const Warrant& warrant, int64_t kw);
// At the grant's value, rounded to cents. OutOfRange: above what Money holds.
absl::StatusOr<Cents> ValueOf(const Warrant& warrant, int64_t shares);

}  // namespace waferline::contracts
