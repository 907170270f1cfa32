// The ledger and the usage that it books, read from the tables as server/billing sees them. Work
// inside a transaction; to see one state of all tables, inside one of BeginRead.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/billing/transfer.h"
#include "server/billing/usage_record.h"
#include "server/billing/verify.h"
#include "server/store/connection.h"

namespace waferline::accounts {

// The tenant's records that ended before an instant and are on no invoice, at most
// kMaxInvoiceRecords of them: ResourceExhausted if there are more.
inline constexpr int64_t kMaxInvoiceRecords = 2'000'000;
absl::StatusOr<std::vector<billing::UsageRecord>> UnbilledRecords(store::Connection& connection,
                                                                  const std::string& tenant,
                                                                  int64_t before_us);
// Those on an invoice (period YYYYMM).
absl::StatusOr<std::vector<billing::UsageRecord>> BilledRecords(store::Connection& connection,
                                                                const std::string& tenant,
                                                                int64_t period);

struct PositionedUsage {
  billing::UsageRecord record;
  Money charge;
  int64_t position = 0;
  bool credited = false;
  std::string reason, endpoint, request_id;
};
// The first `count` of an epoch's after a position, in their order.
absl::StatusOr<std::vector<PositionedUsage>> UsageAfter(store::Connection& connection,
                                                        int64_t epoch, int64_t position,
                                                        int64_t count);

// Adds it, unless it is there, and to the balances that requests are checked against.
absl::Status AddTransfer(store::Connection& connection, const billing::Transfer& transfer);

// Everything, for VerifyLedger. Memory: all of it.
absl::StatusOr<billing::LedgerContents> ReadLedger(store::Connection& connection);

struct Balance {
  std::string account;
  Money amount;
};
// Every account's sum, by name.
absl::StatusOr<std::vector<Balance>> ReadBalances(store::Connection& connection);

}  // namespace waferline::accounts
