// The files of a SQLite database that a server has open: PATH, and its write-ahead log PATH-wal
// with its index PATH-shm. Another program that removes, replaces, cuts or writes to one of them
// takes records away, or ends the process (SIGBUS: the index is mapped into memory). So they are
// looked at before and after each use. An index that was cut is made as long as before, and empty:
// SQLite builds it again from the log. A log that was removed is copied into the database by the
// connections that have it.
//
// SQLite itself, in this process or another, writes to PATH only when it copies the log into it,
// and cuts the log only when all of it is copied; the index says so
// (sqlite.org/walformat.html#walidxfmt). If the time of PATH changes without that, the kernel
// says whether it was written (file_watch.h): only then, or if it says nothing, is that a fault,
// and not if the bytes are those that were read (Learn) when SQLite had last written to it.
//
// Owner: SqliteStore; outlives its connections and its checkpointer. Thread: any. Cost: three stat
// calls and two reads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/store/file_digest.h"
#include "server/store/file_watch.h"
#include "server/store/log_index.h"
#include "server/store/log_left.h"
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

  // The file that PATH leads to now is the database. Before the first connection.
  void Pin();

  // A connection was opened, is about to be closed (with the last one SQLite removes the log).
  void OnOpen();
  // It has read the log and made its index, and has written nothing yet. True: the index does not
  // say which frames are copied (those of a killed server), so the log should be copied now. Until
  // then any write to PATH could be SQLite's.
  bool OnRecovered();
  void OnClose();
  // Reads PATH, unless it was read since SQLite wrote to it: after a copy of the log. Bound:
  // FileDigest::kMaxBytes; of a longer file any report of a write is a fault.
  void Learn();
  // Around each transaction, and each statement outside of one. BeginUse restores an index that was
  // cut; only if it gives kInUse is the connection within. EndUse gives what it has found.
  State BeginUse();
  State EndUse();
  // False: another connection is within.
  bool RestoreIndex();

  State Look();
  // Unavailable: which file, and what to do. An index that was cut is not a reason: it is restored.
  absl::Status Check() { return StatusOf(Look()); }
  static absl::Status StatusOf(State state);

  // What was found that stops nothing, for the operator, since the last call: what was lost while
  // no server ran, a change from outside that did no harm. At most kMaxNotices, the first.
  std::vector<std::string> TakeNotices();
  // Another one; "": none.
  void AddNotice(std::string text);

 private:
  static constexpr size_t kMaxNotices = 8;
  // Looks that wait for the kernel's report of a change.
  static constexpr int kMaxUnreported = 256;

  struct File {
    dev_t device = 0;
    ino_t node = 0;  // 0: there is none
    off_t size = 0;
    int64_t modified_ns = 0;

    static File At(const std::string& path);
    bool Is(const File& other) const { return device == other.device && node == other.node; }
  };
  State LookLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Adopt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  LogIndex ReadIndex() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // By nothing else, or not at all.
  bool WrittenBySqlite(const File& file, const LogIndex& index)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Notice(std::string text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool LogIsWhole() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Its bytes are those that Learn has read.
  bool IsAsLearned() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_, log_path_ = path_ + "-wal", index_path_ = path_ + "-shm";
  Mutex mutex_;
  int connections_ ABSL_GUARDED_BY(mutex_) = 0, within_ ABSL_GUARDED_BY(mutex_) = 0;
  // As they were when they were last looked at; without a node: not used yet.
  File file_ ABSL_GUARDED_BY(mutex_), log_ ABSL_GUARDED_BY(mutex_), index_ ABSL_GUARDED_BY(mutex_);
  LogIndex seen_ ABSL_GUARDED_BY(mutex_);
  FileWatch watch_ ABSL_GUARDED_BY(mutex_);
  FileWatch::Changes changes_ ABSL_GUARDED_BY(mutex_);       // reported, not looked at yet
  int unreported_ ABSL_GUARDED_BY(mutex_) = 0;               // looks at a change without a report
  FileDigest digest_;                                        // followed before the first connection
  std::optional<uint64_t> learned_ ABSL_GUARDED_BY(mutex_);  // since SQLite wrote to it
  LogLeft left_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> notices_ ABSL_GUARDED_BY(mutex_);
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  // To read the index by. Closed only when SQLite is done with that file: a close would end its
  // locks
  // (sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
  int index_descriptor_ ABSL_GUARDED_BY(mutex_) = -1;
  ino_t index_descriptor_node_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace waferline::store
