// From a usage record to what it costs. Pure functions, any thread: the same record and price book
// give the same charge to the picodollar, live, in the simulator and when a ledger is verified.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/billing/price_book.h"
#include "server/billing/usage_record.h"
#include "server/money/money.h"

namespace waferline::billing {

enum class Meter : uint8_t { kInput, kCachedInput, kOutput, kSystemTime };
std::string_view Name(Meter meter);
// The unit of a meter's quantities: "tokens", "system-nanoseconds".
std::string_view UnitOf(Meter meter);

struct ChargeLine {
  Meter meter = Meter::kInput;
  int64_t quantity = 0;
  UnitPrice price;  // of a unit
  Money amount;
};

struct Charge {
  int64_t version_us = 0;         // the instant from which its prices are in force
  std::vector<ChargeLine> lines;  // those with a quantity above 0
  Money total;
};

// (prompt - cached) x input + cached x cached_input + generated x output, at the prices of the tier
// that served it, in force when it was admitted. No lines if the record is not charged (IsCharged)
// or its plan bills compute time, which the invoice rates in one sum.
// InvalidArgument: negative counts, or more cached tokens than prompt tokens. NotFound: no price or
// plan of that name. FailedPrecondition: no prices were in force. OutOfRange: more than Money
// holds.
absl::StatusOr<Charge> Rate(const PriceBook& book, const UsageRecord& record);

// The same, but what has no price costs nothing: a model that the book does not name, or a record
// from before the first version.
absl::StatusOr<Charge> RateOrFree(const PriceBook& book, const UsageRecord& record);

// What a record's own system time costs, rounded to a picodollar, where its plan bills compute
// time, and 0 otherwise. The invoice divides the sum of the time once, so it differs from the sum
// of these by half a picodollar a record at most.
absl::StatusOr<Money> ComputeTimeCost(const PriceBook& book, const UsageRecord& record);
// What a record costs, as it is kept, shown and counted against its tenant's spending limits: its
// charge and that. What has no price costs nothing.
absl::StatusOr<Money> CountedCost(const PriceBook& book, const UsageRecord& record);

// What `record` may count at most if it generates `max_tokens` and finds nothing in a cache,
// whether the tier asked for serves it or the default one, and for plans that bill compute time
// what its `system_ns` cost: what is held of a prepaid balance or below a hard cap while it runs.
absl::StatusOr<Money> RateAtMost(const PriceBook& book, UsageRecord record, int64_t max_tokens);

}  // namespace waferline::billing
