#include "server/store/checkpointer.h"

#include <pthread.h>
#include <sqlite3.h>

#include <utility>

namespace waferline::store {

Checkpointer::Checkpointer(std::string path, int pages, std::function<void()> on_copied)
    : path_(std::move(path)),
      pages_(pages),
      on_copied_(std::move(on_copied)),
      next_(pages),
      thread_([this] { Run(); }) {}

Checkpointer::~Checkpointer() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void Checkpointer::Watch(sqlite3* db) { sqlite3_wal_hook(db, OnCommit, this); }

int Checkpointer::OnCommit(void* self, sqlite3* db, const char* name, int pages) {
  auto* const checkpointer = static_cast<Checkpointer*>(self);
  if (!checkpointer->RestIsDue(pages)) return SQLITE_OK;
  // What fails now is due again after the next pages.
  sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  MutexLock lock(&checkpointer->mutex_);
  checkpointer->rest_copied_ = true;
  checkpointer->changed_.NotifyAll();
  return SQLITE_OK;
}

bool Checkpointer::RestIsDue(int pages) {
  MutexLock lock(&mutex_);
  if (pages < last_) {  // the log began again
    copied_ = 0;
    next_ = pages_;
  }
  last_ = pages;
  const bool at_bound = pages >= kMaxLogs * pages_;
  if (pages < next_ || (wanted_ && !at_bound)) return false;
  if (at_bound) {
    changed_.Wait(&mutex_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !wanted_; });
  }
  const bool rest_is_short = copied_ > 0 && pages - copied_ <= pages_ / 8;
  if (rest_is_short || at_bound) {
    copied_ = 0;
    next_ = pages + pages_;  // if a reader keeps the log from beginning again
    return true;
  }
  wanted_ = true;
  changed_.NotifyAll();
  return false;
}

void Checkpointer::Run() {
  pthread_setname_np(pthread_self(), "usage-log");
  for (;;) {
    bool copy;
    {
      MutexLock lock(&mutex_);
      changed_.Wait(&mutex_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return wanted_ || stopping_ || rest_copied_;
      });
      if (stopping_) return;
      copy = wanted_;
      rest_copied_ = false;
    }
    if (copy) {
      const int copied = Copy();
      MutexLock lock(&mutex_);
      wanted_ = false;
      changed_.NotifyAll();
      copied_ = copied;
      if (copied == 0) next_ = last_ + pages_;
    }
    if (on_copied_) on_copied_();
  }
}

// The file may have been replaced since the last time, so it is opened each time. 0: it failed.
int Checkpointer::Copy() const {
  sqlite3* db = nullptr;
  int copied = 0;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  const bool ready =
      sqlite3_open_v2(path_.c_str(), &db, flags, nullptr) == SQLITE_OK &&
      // Before its first read a connection does not know that there is a log, and copies nothing.
      sqlite3_exec(db, "SELECT 1 FROM sqlite_master", nullptr, nullptr, nullptr) == SQLITE_OK;
  if (!ready || sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, nullptr,
                                          &copied) != SQLITE_OK) {
    copied = 0;
  }
  sqlite3_close(db);
  return copied > 0 ? copied : 0;
}

int Checkpointer::SettleDoubt(sqlite3* db) {
  if (!in_doubt_) return SQLITE_OK;
  const int code = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_FULL, nullptr, nullptr);
  if (code == SQLITE_OK) in_doubt_ = false;
  return code;
}

}  // namespace waferline::store
