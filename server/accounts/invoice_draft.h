// What an invoice that is not final would say.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "server/accounts/invoice_tables.h"
#include "server/billing/invoice.h"
#include "server/billing/usage_record.h"
#include "server/store/connection.h"

namespace waferline::accounts {

struct Draft {
  billing::Invoice invoice;
  std::vector<billing::UsageRecord> records;
  std::optional<Month> earlier;  // that has records and is not a final invoice yet
};

// Of its month's records, and of those that came too late for theirs if it is the first after the
// last final one. So each record is on one invoice. NotFound: no such tenant.
absl::StatusOr<Draft> DraftOf(store::Connection& connection, const billing::PriceBook& book,
                              const InvoiceName& name);

// Requests of the month that a server's death cut off: they are not records of an invoice.
absl::StatusOr<int64_t> Interrupted(store::Connection& connection, const InvoiceName& name);

// 202609 is September 2026.
Month MonthOfPeriod(int64_t period);

}  // namespace waferline::accounts
