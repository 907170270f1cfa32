// What one group of the writer does to the usage tables, gathered in memory and written at the
// group's end: a few statements of many rows, whatever the number of records. Sums (hours,
// accounts) are added up first and change once.
//
// Written at once the sums go with the records, and all of it with the commit; if one was there
// already the commit fails, and the whole has to be written step by step, after a rollback. Records
// that this object has not opened are written as new.
//
// Owner: StoreMeter. Thread: the writer's. Law: writing the same work again, in this group or a
// later one, changes nothing; sums and ledger change only for records that changed.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/metering/usage_record.h"
#include "server/store/connection.h"

namespace waferline::metering {

// One choice, whose id `open` has.
struct PostedUsage {
  OpenUsage open;
  EndedUsage end;
};

class UsageBatch {
 public:
  // Each is about one choice, whose id `open` has; what is opened has no hold.
  void Open(const OpenUsage& open);
  void Withdraw(const OpenUsage& open);
  void Post(std::shared_ptr<const PostedUsage> posted);
  void Post(OpenUsage open, EndedUsage end) {
    Post(std::make_shared<const PostedUsage>(PostedUsage{std::move(open), std::move(end)}));
  }

  enum class Steps : uint8_t { kAtOnce, kOneByOne };
  // Writes all that was gathered, which is kept until Clear, and gives what is left for the commit
  // to run. Posts get their positions (usage.position) from `first_position` on.
  absl::StatusOr<std::vector<store::Statement>> Write(store::Connection& connection, Steps steps,
                                                      int64_t first_position);
  size_t posts() const { return posts_.size(); }
  void Clear();

 private:
  // What the records that changed change in turn.
  struct Sums;

  std::vector<store::Row> OpenRowsToWrite();
  std::vector<store::Row> PostRowsFrom(int64_t first_position) const;
  absl::StatusOr<std::vector<store::Statement>> WriteAtOnce(store::Connection& connection,
                                                            int64_t first_position);
  absl::StatusOr<std::vector<store::Statement>> WriteOneByOne(store::Connection& connection,
                                                              int64_t first_position);
  absl::Status WriteHeld(store::Connection& connection, std::vector<store::Row> held) const;
  absl::Status WriteWithdrawals(store::Connection& connection, Sums* sums) const;
  absl::Status WritePosts(store::Connection& connection, int64_t first_position, Sums* sums) const;

  std::map<UsageId, OpenUsage> opens_, withdrawn_;
  std::map<UsageId, std::shared_ptr<const PostedUsage>> posts_;
  std::set<UsageId> opened_;  // by this object, perhaps, and neither posted nor withdrawn since
};

}  // namespace waferline::metering
