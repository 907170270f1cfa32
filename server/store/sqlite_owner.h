// PATH.owner, next to a SQLite file: the lock of the one server that may write to it, and in it, as
// text, that server's process and the last epoch that was handed out. The epoch outlives a database
// that has lost it (its log was cut, the power failed, a backup was put back), so no usage id comes
// twice. A file that holds no epoch in [0, kMaxEpoch) is damaged: then the database's own numbers
// are gone on with, and notice() says so.
//
// Owner: SqliteStore. Thread: one at a time; after Take also any that asks for notice().
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/base/locked_file.h"

namespace waferline::store {

class SqliteOwner {
 public:
  // A server that starts each second reaches it after thirty years.
  static constexpr int64_t kMaxEpoch = 1'000'000'000;

  // `path` is the database's.
  explicit SqliteOwner(std::string path) : path_(std::move(path)), file_path_(path_ + ".owner") {}
  SqliteOwner(const SqliteOwner&) = delete;
  SqliteOwner& operator=(const SqliteOwner&) = delete;

  // Once. FailedPrecondition: another server has it (names its process), the database has more than
  // one name, or one of the two is not a plain file. Unavailable: one cannot be written.
  absl::Status Take();

  // Does a server have it now?
  static bool IsTaken(const std::string& path);

  int64_t last_epoch() const { return last_epoch_; }
  // What Take found wrong, for the operator; "": nothing.
  const std::string& notice() const { return notice_; }
  // Synced when it returns.
  absl::Status KeepEpoch(int64_t epoch);

 private:
  absl::Status Failed() const;
  absl::Status OpenElsewhere(const std::string& process) const;
  int64_t EpochOf(const std::vector<std::string>& words, bool is_new);

  const std::string path_, file_path_;
  std::string notice_;
  // The database is locked too, for PATH.owner may be removed meanwhile. Closed last: a close ends
  // SQLite's own locks on the file.
  LockedFile database_, file_;
  int64_t last_epoch_ = 0;
};

}  // namespace waferline::store
