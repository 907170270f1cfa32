// The files of a SQLite database that a server has open: PATH, and its write-ahead log PATH-wal
// with its index PATH-shm. Another program that removes, replaces or cuts one of them takes records
// away, or ends the process (SIGBUS: the index is mapped into memory). So they are looked at before
// each use. An index that was cut is made as long as before, and empty: SQLite builds it again from
// the log. A log that was removed is copied into the database by the connections that have it.
//
// Owner: SqliteStore; outlives its connections. Thread: any. Cost: three stat calls.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::store {

class SqliteFiles {
 public:
  enum class State : uint8_t {
    kInUse,       // all is as it should be, or no connection is open
    kReplaced,    // PATH is another file, or none
    kLogGone,     // the log or its index is another file, or none
    kLogShort,    // the log is shorter than it was: cut; or by SQLite, which a connection can say
    kIndexShort,  // the index was cut
  };

  explicit SqliteFiles(std::string path) : path_(std::move(path)) {}

  // The file that PATH leads to now is the database.
  void Pin();

  // A connection was opened, was closed (with the last one SQLite removes the log).
  void OnOpen();
  void OnClose();
  // Around each transaction, and each statement outside of one. BeginUse restores an index that was
  // cut; only if it gives kInUse is the connection within.
  State BeginUse();
  void EndUse();
  // False: another connection is within.
  bool RestoreIndex();
  // The log is short for a good reason.
  void OnLogTruncated();

  State Look() const;
  // Unavailable: which file, and what to do. An index that was cut is no reason: it is restored.
  absl::Status Check() const;

 private:
  struct File {
    dev_t device = 0;
    ino_t node = 0;  // 0: there is none
    off_t size = 0;

    static File At(const std::string& path);
    bool Is(const File& other) const { return device == other.device && node == other.node; }
  };

  const std::string path_, log_path_ = path_ + "-wal", index_path_ = path_ + "-shm";
  File file_;
  mutable Mutex mutex_;
  int connections_ ABSL_GUARDED_BY(mutex_) = 0, within_ ABSL_GUARDED_BY(mutex_) = 0;
  // As they were at the last use; without a node: not used yet.
  File log_ ABSL_GUARDED_BY(mutex_), index_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::store
