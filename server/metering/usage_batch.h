// What one group of the writer does to the usage tables, gathered in memory and written at the
// group's end: a few statements of many rows, whatever the number of records. Sums (hours,
// accounts) are added up first and change once.
//
// Owner: StoreMeter. Thread: the writer's. Law: writing the same work again, in this group or a
// later one, changes nothing; sums and ledger change only for records that changed.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/metering/usage_record.h"
#include "server/store/connection.h"

namespace waferline::metering {

class UsageBatch {
 public:
  // One without a hold, all its choices.
  void Open(const OpenUsage& usage);
  // Of what follows, `open` is what was opened, with the id of the choice.
  void Withdraw(const OpenUsage& open);
  void Post(const OpenUsage& open, const EndedUsage& end);

  // Writes all that was gathered; it is kept until Clear.
  absl::Status Write(store::Connection& connection) const;
  void Clear();

 private:
  struct Posted {
    OpenUsage open;
    EndedUsage end;
  };
  // What the records that changed change in turn.
  struct Sums;

  absl::Status WriteOpens(store::Connection& connection) const;
  absl::Status WriteWithdrawals(store::Connection& connection, Sums* sums) const;
  absl::Status WritePosts(store::Connection& connection, Sums* sums) const;

  std::map<UsageId, OpenUsage> opens_, withdrawn_;
  std::map<UsageId, Posted> posts_;
};

}  // namespace waferline::metering
