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
// An account is a tenant's month (period YYYYMM) or its prepaid balance (period 0), or a project's
// month: what was spent, and what is held for work in flight. Cap: spent + held <= cap at every
// commit, by one conditional UPDATE, so it holds whatever servers and clients do at once.
//
// What a balance has spent is the sum of the ledger's prepaid account, so less than zero is what is
// left, and its cap is 0; system time of a prepaid plan counts from its record on, though its
// invoice books it. It holds all of the tenant's work in flight, whatever plan that is under: the
// plan may change meanwhile.
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

// The period of the account that is a tenant's prepaid balance.
inline constexpr int64_t kBalance = 0;

struct AccountKey {
  std::string tenant;
  std::string project;  // "": the whole tenant
  int64_t period = kBalance;
  auto operator<=>(const AccountKey&) const = default;
};
struct AccountState {
  Money spent;
  int64_t held_micro = 0;
};
// Of one that there is not: nothing.
absl::StatusOr<AccountState> ReadAccount(store::Connection& connection, const AccountKey& account);

// In which a record is held, and counts: the tenant's month of admission, its balance (that a
// record counts in only if its plan is prepaid), the project's month.
std::vector<AccountKey> AccountsOf(const UsageSubject& subject, int64_t admitted_us);

// PostgreSQL: servers that change several accounts in orders of their own would wait for each
// other. What changes them in other than their keys' order, or a quota by what it was, is alone
// until its transaction ends: this comes before the first change, or before what it was is read.
absl::Status LockSums(store::Connection& connection);

// Books an entry of the ledger on the tenant's prepaid account in what requests are checked
// against.
absl::Status AddToBalance(store::Connection& connection, const std::string& tenant, Money debit);

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
  const billing::PriceBook* prices = nullptr;  // which plans are prepaid; null: none
  int64_t now_us = 0;
};
absl::StatusOr<int64_t> SettleUnconfirmed(store::Connection& connection, int64_t epoch,
                                          const Unconfirmed& how);

// YYYYMM of a Unix time, UTC.
int64_t PeriodOf(int64_t unix_us);

}  // namespace waferline::metering
