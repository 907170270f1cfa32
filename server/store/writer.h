// The one thread that writes to a store. Work waits in a queue; what waits together is committed
// together (at most kMaxGroup pieces or kGroupTime of work a transaction), and each piece's `done`
// runs after the commit that holds it. What waits is committed when CommitPace allows it, and at
// once when nothing more may come. A piece without a `done` waits for the next commit of one with
// it, at most as long as its caller says.
//
// A database that is slow, locked, full or gone: the group is repeated until it is committed, so
// work must give the same result when it runs again (after a failure, or in doubt). Meanwhile
// callers are not blocked: a `done` that waited for `patience` gets Unavailable, its work stays in
// the queue, and MayAdmit refuses until the database takes work again.
//
// Owner: server/app; the store outlives it. Thread: any; no call but Flush and Stop blocks. Bounds:
// MayAdmit refuses at max_queue pieces; Post takes whatever follows from what was admitted.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/store/commit_pace.h"
#include "server/store/store.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/thread.h"
#include "wafer_backend/base/units.h"

namespace waferline::store {

class Writer {
 public:
  static constexpr size_t kMaxGroup = 512;
  static constexpr Nanoseconds kGroupTime = Milliseconds(2);
  static constexpr Nanoseconds kMaxLazy = Milliseconds(20);
  static constexpr Nanoseconds kNever{std::numeric_limits<int64_t>::max()};

  // Runs inside a transaction, on the writer's thread. Its own refusals (NotFound,
  // ResourceExhausted
  // ...) must come before it writes: they end this piece, not the group.
  using Work = std::function<absl::Status(Connection&)>;
  // Once, on the writer's thread or the one that watches patience.
  using Done = std::function<void(const absl::Status&)>;

  struct Options {
    size_t max_queue = 16384;
    Nanoseconds patience = Seconds(5);
    std::function<Nanoseconds()> now;  // monotonic
    // Whether anything is under way that will wait for a commit: if not, there is no company to
    // wait for. Cheap, any thread. Null: always.
    std::function<bool()> more_may_come;
    // Runs on every new connection, before any work. Its failure counts as the connection's.
    Work on_connect;
    // After the commit of what on_connect did.
    std::function<void()> on_connected;
    // Around the pieces of each attempt at a group: before the first, and inside the transaction
    // after the last. So pieces may gather what the latter writes, or gives for the commit to run.
    // Its failure is the group's.
    std::function<void()> on_begin;
    std::function<absl::StatusOr<std::vector<Statement>>(Connection&)> before_commit;
    std::function<void()> on_committed;  // before the pieces' `done`
    // An attempt that repeats a failed one has failed too. For the operator.
    std::function<void(const absl::Status&)> on_trouble;
  };
  struct Figures {
    uint64_t pieces = 0;   // committed
    uint64_t commits = 0;  // transactions
    uint64_t retries = 0;  // groups that were repeated
    uint64_t in_doubt = 0;
    uint64_t overdue = 0;  // pieces whose `done` ran out of patience
    uint64_t failed = 0;   // pieces that no repetition helps
    size_t queue = 0;
    Nanoseconds commit_time;  // of all commits together
  };

  // Nothing runs before Start.
  Writer(Store* store, Options options) : store_(store), options_(std::move(options)) {}
  ~Writer() { Stop(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Connects once, for errors at the start, and starts the threads.
  absl::Status Start();

  // Unavailable and why, if the queue is full or the database takes nothing.
  absl::Status MayAdmit() const;
  // `done` may be null: then the work may wait for `lazy`.
  void Post(Work work, Done done, Nanoseconds lazy = kMaxLazy);
  // Waits until all that was posted before is committed; false if it is not within `bound`.
  bool Flush(Nanoseconds bound);
  // Ends the threads after the attempt under way; what is still queued is dropped. No `done` runs
  // after this.
  void Stop();

  Figures figures() const;

 private:
  struct Piece {
    Work work;
    Done done;
    Nanoseconds posted;
    Nanoseconds due;        // of one without a `done`
    bool urgent = false;    // had a `done`
    bool answered = false;  // under mutex_
    absl::Status result;    // the writer's thread
  };
  using Pieces = std::vector<std::shared_ptr<Piece>>;

  void Run();
  void Watch();
  bool TakeGroup(Pieces* group);
  // When the queue is to be taken; kNever if it is empty.
  Nanoseconds DueAt() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Commits the first pieces of the group and removes them; repeats until that succeeds, or Stop.
  void CommitSome(Pieces* group);
  absl::Status Attempt(const Pieces& group, size_t limit, size_t* count);
  absl::Status Reconnect();
  bool Backoff(Nanoseconds wait, const absl::Status& why);
  void Answer(Piece& piece, const absl::Status& status);

  Store* const store_;
  const Options options_;
  std::unique_ptr<Connection> connection_;  // the writer's thread, after Start

  mutable Mutex mutex_;
  CondVar changed_;  // the queue, what is in hand
  CondVar ending_;   // only by Stop
  std::deque<std::shared_ptr<Piece>> queue_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Piece>> awaited_ ABSL_GUARDED_BY(mutex_);  // by deadline
  size_t urgent_ ABSL_GUARDED_BY(mutex_) = 0;              // in the queue, with a `done`
  Nanoseconds lazy_due_ ABSL_GUARDED_BY(mutex_) = kNever;  // the first of the others
  // Pieces ever: given to Post, taken from the queue, over; and up to which Flush waits.
  uint64_t posted_ ABSL_GUARDED_BY(mutex_) = 0, taken_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t over_ ABSL_GUARDED_BY(mutex_) = 0, flush_to_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t in_group_ ABSL_GUARDED_BY(mutex_) = 0;
  Nanoseconds wakes_at_ ABSL_GUARDED_BY(mutex_);     // the writer, if it sleeps, by itself
  Nanoseconds group_began_ ABSL_GUARDED_BY(mutex_);  // of the pieces in hand
  CommitPace pace_ ABSL_GUARDED_BY(mutex_);
  std::string last_error_ ABSL_GUARDED_BY(mutex_);
  Figures figures_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Thread writer_, watcher_;
};

}  // namespace waferline::store
