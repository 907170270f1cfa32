// Usage in the tables: each function is one piece of work inside a transaction, and repeating it
// changes nothing.
//
//   Open -> 'open' -> Post -> 'posted'          its hour's sums and the tenant's account change in
//                                               the same transaction, once
//           'open' -> Withdraw -> no row
//           'open' -> Settle -> 'interrupted'   the server died; nothing is charged
//           'interrupted' -> Post -> 'posted'   it had only lost its connection
//
// An account is a tenant's month (period YYYYMM) or all its time (period 0): what was spent, and
// what is held for work in flight. Cap: spent + held <= cap at every commit, by one conditional
// UPDATE, so it holds whatever servers and clients do at once.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/metering/usage_record.h"
#include "server/store/connection.h"

namespace waferline::metering {

struct OpenUsage {
  UsageId id;  // of choice 0
  UsageSubject subject;
  int64_t admitted_us = 0;
  int64_t choices = 1;
  int64_t hold_micro = 0;  // a choice; microdollars, rounded up
  bool capped = false;
};

// ResourceExhausted, and nothing written: over the tenant's hard cap or prepaid balance.
absl::Status Open(store::Connection& connection, const OpenUsage& usage);
// `open` is what was opened, with the id of the choice that ended.
absl::Status Post(store::Connection& connection, const OpenUsage& open, const EndedUsage& end);
absl::Status Withdraw(store::Connection& connection, const OpenUsage& open);
// All that is open under a dead epoch; gives how many.
absl::StatusOr<int64_t> Settle(store::Connection& connection, int64_t epoch, int64_t now_us);

// YYYYMM of a Unix time, UTC.
int64_t PeriodOf(int64_t unix_us);

}  // namespace waferline::metering
