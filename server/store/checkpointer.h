// Copies a SQLite file's write-ahead log into the file, so that the log stays short, on a thread of
// its own: commits go on meanwhile, where SQLite's own way holds the one that passes the limit back
// until the disk has it all (a tenth of a second on a busy one). What was committed during the copy
// is the rest, a few pages, which the writer copies itself: only then does the log begin again at
// its start (sqlite.org/wal.html#checkpointing).
//
// Owner: SqliteStore. Thread: any; connections call it on theirs. Bound: however slow the disk
// is, the log has at most kMaxLogs + 1 times `pages`, at which the writer copies it itself; while a
// reader holds it, as many as are written.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/thread.h"

struct sqlite3;

namespace waferline::store {

class Checkpointer {
 public:
  static constexpr int kPages = 4000;  // of 4 KiB; the pages of sums change with every group
  static constexpr int kMaxLogs = 16;

  // `on_copied` is called on the thread, after a copy of its own or of a connection that it
  // watches.
  explicit Checkpointer(std::string path, int pages = kPages, std::function<void()> on_copied = {});
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  // Follows the commits of a connection that writes; it is closed before this goes.
  void Watch(sqlite3* db);

  // The disk failed: what the log holds of a commit may not be on it. The caller who repeats it
  // finds its rows, writes nothing, and so syncs nothing; so before the next transaction the log is
  // copied, which syncs it and the database.
  void SetInDoubt() { in_doubt_ = true; }
  // By a connection that is in no transaction. SQLite's code; an error: the doubt stays.
  int SettleDoubt(sqlite3* db);

 private:
  static int OnCommit(void* self, sqlite3* db, const char* name, int pages);
  // Does the writer copy the rest now? Else the thread may have been started.
  bool RestIsDue(int pages);
  void Run();
  int Copy() const;

  const std::string path_;
  const int pages_;
  const std::function<void()> on_copied_;
  std::atomic<bool> in_doubt_{false};
  Mutex mutex_;
  CondVar changed_;
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false, stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool rest_copied_ ABSL_GUARDED_BY(mutex_) = false;  // by the writer
  int copied_ ABSL_GUARDED_BY(mutex_) = 0;  // pages, by the thread; 0: it has done nothing
  int last_ ABSL_GUARDED_BY(mutex_) = 0;    // the log's pages at the last commit
  int next_ ABSL_GUARDED_BY(mutex_);        // at which the next copy begins
  Thread thread_;
};

}  // namespace waferline::store
