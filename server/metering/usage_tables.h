// Usage in the tables: each function is one piece of work inside a transaction, and repeating it
// changes nothing.
//
//   Open -> 'open' -> Post -> 'posted'          its hour's sums, the tenant's account and the
//                                               ledger change in the same transaction, once
//           'open' -> Withdraw -> no row
//           'open' -> Settle -> 'interrupted'   the server died; nothing is charged
//           'interrupted' -> Post -> 'posted'   it had only lost its connection
//
// What need not be answered within its transaction is gathered in a UsageBatch (usage_batch.h).
//
// An account is a tenant's month (period YYYYMM) or all its time (period 0), or a project's month:
// what was spent, and what is held for work in flight. Cap: spent + held <= cap at every commit, by
// one conditional UPDATE, so it holds whatever servers and clients do at once.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/billing/price_book.h"
#include "server/metering/usage_record.h"
#include "server/store/connection.h"

namespace waferline::metering {

// The period of accounts that is all time.
inline constexpr int64_t kAllTime = 0;

struct AccountKey {
  std::string tenant;
  std::string project;  // "": the whole tenant
  int64_t period = kAllTime;
  auto operator<=>(const AccountKey&) const = default;
};
// In which a record counts: the tenant's month of admission and all its time, the project's month.
std::vector<AccountKey> AccountsOf(const UsageSubject& subject, int64_t admitted_us);

// Of a tenant with a cap, or a `prepaid` plan, which spends nothing without a balance.
// ResourceExhausted, and nothing written: over the hard monthly spend, the project's share of it,
// or the prepaid balance.
absl::Status OpenWithHold(store::Connection& connection, const OpenUsage& usage, bool prepaid);
// All that is open under a dead epoch; gives how many.
absl::StatusOr<int64_t> Settle(store::Connection& connection, int64_t epoch, int64_t now_us);
// The same of epochs that were ended, that left something open.
absl::StatusOr<int64_t> SettleEnded(store::Connection& connection, int64_t now_us);

// Posted records of a dead epoch whose answers were perhaps not sent (AnsweredSet of its row);
// gives how many. With `credit` those that are on no invoice cost nothing any more: their hours and
// accounts change back, and their transfers are reversed.
struct Unconfirmed {
  bool credit = false;
  const billing::PriceBook* prices = nullptr;  // what compute time counted; null: nothing
  int64_t now_us = 0;
};
absl::StatusOr<int64_t> SettleUnconfirmed(store::Connection& connection, int64_t epoch,
                                          const Unconfirmed& how);

// YYYYMM of a Unix time, UTC.
int64_t PeriodOf(int64_t unix_us);

}  // namespace waferline::metering
