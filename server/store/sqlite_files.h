// The files of a SQLite database that a server has open: PATH, and its write-ahead log PATH-wal
// with its index PATH-shm. Another program that removes, replaces, cuts or writes to one of them
// takes records away, or ends the process (SIGBUS: the index is mapped into memory). So they are
// looked at before and after each use. An index that was cut is made as long as before, and empty:
// SQLite builds it again from the log. A log that was removed is copied into the database by the
// connections that have it.
//
// SQLite itself, in this process or another, writes to PATH only when it copies the log into it,
// and cuts the log only when all of it is copied; the index says so
// (sqlite.org/walformat.html#walidxfmt).
//
// Owner: SqliteStore; outlives its connections and its checkpointer. Thread: any. Cost: three stat
// calls and a read.
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
    kChanged,     // PATH was cut, or written to by something that is not SQLite; stays so
    kLogGone,     // the log or its index is another file, or none
    kLogShort,    // the log was cut
    kIndexShort,  // the index was cut
  };

  explicit SqliteFiles(std::string path) : path_(std::move(path)) {}
  ~SqliteFiles();
  SqliteFiles(const SqliteFiles&) = delete;
  SqliteFiles& operator=(const SqliteFiles&) = delete;

  // The file that PATH leads to now is the database.
  void Pin();

  // A connection was opened, is about to be closed (with the last one SQLite removes the log).
  void OnOpen();
  void OnClose();
  // Around each transaction, and each statement outside of one. BeginUse restores an index that was
  // cut; only if it gives kInUse is the connection within. EndUse gives what it has found.
  State BeginUse();
  State EndUse();
  // False: another connection is within.
  bool RestoreIndex();

  State Look();
  // Unavailable: which file, and what to do. An index that was cut is no reason: it is restored.
  absl::Status Check() { return StatusOf(Look()); }
  static absl::Status StatusOf(State state);

 private:
  struct File {
    dev_t device = 0;
    ino_t node = 0;  // 0: there is none
    off_t size = 0;
    int64_t modified_ns = 0;

    static File At(const std::string& path);
    bool Is(const File& other) const { return device == other.device && node == other.node; }
  };
  // What the log's index says.
  struct Index {
    uint64_t log = 0;      // names it; another when it begins again
    uint32_t frames = 0;   // committed, each a page
    uint32_t page = 0;     // bytes
    uint32_t copied = 0;   // frames, into PATH
    uint32_t copying = 0;  // frames that the last copy was to reach

    bool operator==(const Index&) const = default;
    off_t log_size() const;
    bool MayHaveCopiedSince(const Index& before) const;
  };

  State LookLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Adopt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Index ReadIndex() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WrittenBySqlite(const File& file, const Index& index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool LogIsWhole() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_, log_path_ = path_ + "-wal", index_path_ = path_ + "-shm";
  Mutex mutex_;
  int connections_ ABSL_GUARDED_BY(mutex_) = 0, within_ ABSL_GUARDED_BY(mutex_) = 0;
  // As they were when they were last looked at; without a node: not used yet.
  File file_ ABSL_GUARDED_BY(mutex_), log_ ABSL_GUARDED_BY(mutex_), index_ ABSL_GUARDED_BY(mutex_);
  Index seen_ ABSL_GUARDED_BY(mutex_);
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  // To read the index by. Closed only when SQLite is done with that file: a close would end its
  // locks
  // (sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
  int index_descriptor_ ABSL_GUARDED_BY(mutex_) = -1;
  ino_t index_descriptor_node_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace waferline::store
