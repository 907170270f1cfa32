// Usage as other people's programs read it. Pure functions, any thread.
#pragma once

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "server/billing/invoice.h"
#include "server/billing/price_book.h"
#include "server/billing/usage_record.h"

namespace waferline::billing {

// A record as a CloudEvents 1.0 event, one line with its line end (JSON, https://cloudevents.io):
// its id is the record's, its source the epoch that gave it, its subject the tenant ("no-tenant").
// An intake that removes duplicates by (id, source) may be sent the same records again.
std::string CloudEventOf(const UsageRecord& record);

// FOCUS 1.3 (https://focus.finops.org): the first line of a file, with its line end.
std::string FocusHeader();
// One row for each meter of the record that costs something, with the record's id in x_UsageId.
// Errors as Rate.
absl::StatusOr<std::string> FocusRowsOf(const PriceBook& book, const UsageRecord& record);
// What an invoice adds to its records' rows: system time, reservations (the fee is a Purchase),
// discounts (Credit) and rounding (Adjustment). With the records' rows the billed costs sum to the
// invoice's total.
std::string FocusRowsOf(const Invoice& invoice);

}  // namespace waferline::billing
