#include "server/store/writer.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::store {
namespace {

constexpr Nanoseconds kFirstBackoff = Milliseconds(1);
constexpr Nanoseconds kMaxBackoff = Milliseconds(500);

}  // namespace

absl::Status Writer::Start() {
  WL_RETURN_IF_ERROR(Reconnect());
  writer_ = Thread([this] { Run(); });
  watcher_ = Thread([this] { Watch(); });
  return absl::OkStatus();
}

absl::Status Writer::MayAdmit() const {
  MutexLock lock(&mutex_);
  if (queue_.size() >= options_.max_queue) {
    return absl::UnavailableError(
        absl::StrCat("the usage database is behind: ", queue_.size(), " records wait for it"));
  }
  if (in_group_ == 0) return absl::OkStatus();
  const Nanoseconds age = options_.now() - group_began_;
  if (age <= options_.patience) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("the usage database has taken no record for ",
                                             static_cast<int64_t>(ToSeconds(age)), " s",
                                             last_error_.empty() ? "" : ": ", last_error_));
}

void Writer::Post(Work work, Done done, Nanoseconds lazy) {
  auto piece = std::make_shared<Piece>();
  piece->work = std::move(work);
  piece->done = std::move(done);
  piece->posted = options_.now();
  MutexLock lock(&mutex_);
  piece->answered = piece->done == nullptr;
  if (!piece->answered) {
    piece->urgent = true;
    awaited_.push_back(piece);
    ++urgent_;
  } else {
    piece->due = piece->posted + lazy;
    lazy_due_ = std::min(lazy_due_, piece->due);
  }
  queue_.push_back(std::move(piece));
  ++posted_;
  if (DueAt() < wakes_at_) changed_.NotifyAll();
}

bool Writer::Flush(Nanoseconds bound) {
  MutexLock lock(&mutex_);
  const uint64_t all = posted_;
  flush_to_ = all;
  changed_.NotifyAll();
  return changed_.WaitFor(&mutex_, bound, [this, all]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return over_ >= all || stopping_;
  });
}

void Writer::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyAll();
    ending_.NotifyAll();
  }
  if (writer_.joinable()) writer_.join();
  if (watcher_.joinable()) watcher_.join();
}

Writer::Figures Writer::figures() const {
  MutexLock lock(&mutex_);
  Figures figures = figures_;
  figures.queue = queue_.size() + in_group_;
  return figures;
}

void Writer::Run() {
  pthread_setname_np(pthread_self(), "usage-writer");
  Pieces group;
  while (TakeGroup(&group)) {
    while (!group.empty()) CommitSome(&group);
  }
}

Nanoseconds Writer::DueAt() const {
  if (queue_.empty()) return kNever;
  if (taken_ < flush_to_ || queue_.size() >= kMaxGroup) return Nanoseconds(0);
  if (urgent_ == 0) return lazy_due_;
  return options_.more_may_come && !options_.more_may_come() ? Nanoseconds(0) : pace_.next();
}

// All that waits, up to a group; false when the writer stops. It sleeps until the next commit may
// begin, whether something waits or not: so what comes then need not wake it.
bool Writer::TakeGroup(Pieces* group) {
  MutexLock lock(&mutex_);
  in_group_ = 0;
  while (!stopping_) {
    const Nanoseconds now = options_.now(), due = DueAt();
    if (due <= now) break;
    wakes_at_ = due == kNever && pace_.next() > now ? pace_.next() : due;
    const auto woken = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return stopping_ || DueAt() < wakes_at_;
    };
    if (wakes_at_ == kNever) {
      changed_.Wait(&mutex_, woken);
    } else {
      changed_.WaitFor(&mutex_, wakes_at_ - now, woken);
    }
    wakes_at_ = Nanoseconds(0);
  }
  if (stopping_) return false;
  const size_t count = std::min(queue_.size(), kMaxGroup);
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(count);
  group->assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  for (const auto& piece : *group) urgent_ -= piece->urgent ? 1 : 0;
  lazy_due_ = kNever;
  for (const auto& piece : queue_) {
    if (!piece->urgent) lazy_due_ = std::min(lazy_due_, piece->due);
  }
  in_group_ = count;
  taken_ += count;
  group_began_ = options_.now();
  return true;
}

void Writer::CommitSome(Pieces* group) {
  size_t limit = group->size();
  size_t count = 0;
  for (Nanoseconds wait = kFirstBackoff;; wait = std::min(wait + wait, kMaxBackoff)) {
    const absl::Status status = Attempt(*group, limit, &count);
    if (status.ok()) break;
    if (IsPassing(status)) {
      if (!Backoff(wait, status)) return group->clear();
    } else if (limit > 1) {
      limit = 1;  // one of them is wrong: find it
    } else {
      count = 1;
      group->front()->result = status;
      break;
    }
  }
  for (size_t i = 0; i < count; ++i) Answer(*(*group)[i], (*group)[i]->result);
  group->erase(group->begin(), group->begin() + static_cast<std::ptrdiff_t>(count));
  MutexLock lock(&mutex_);
  in_group_ = group->size();
  const bool awaited = over_ < flush_to_;  // this group may hold more than Flush waits for
  over_ += count;
  if (awaited) changed_.NotifyAll();
  group_began_ = options_.now();
  last_error_.clear();
}

absl::Status Writer::Attempt(const Pieces& group, size_t limit, size_t* count) {
  if (connection_ == nullptr || !connection_->alive()) {
    const absl::Status status = Reconnect();
    if (!status.ok()) {
      return IsPassing(status) ? status : absl::UnavailableError(status.message());
    }
  }
  const Nanoseconds began = options_.now();
  absl::Status status = connection_->Begin();
  if (options_.on_begin) options_.on_begin();
  for (*count = 0; status.ok() && *count < limit; ++*count) {
    if (*count > 0 && options_.now() - began > kGroupTime) break;
    Piece& piece = *group[*count];
    piece.result = piece.work(*connection_);
    // What the database says ends the group; what the work says is the piece's own.
    const bool of_database = IsPassing(piece.result) || absl::IsInternal(piece.result) ||
                             absl::IsFailedPrecondition(piece.result);
    if (of_database) status = piece.result;
  }
  absl::StatusOr<std::vector<Statement>> last = std::vector<Statement>();
  if (!status.ok()) {
    last = status;
  } else if (options_.before_commit) {
    last = options_.before_commit(*connection_);
  }
  status = last.ok() ? connection_->CommitAfter(*last) : last.status();
  if (!status.ok()) connection_->Rollback();
  if (status.ok() && options_.on_committed) options_.on_committed();
  MutexLock lock(&mutex_);
  if (status.ok()) {
    figures_.pieces += *count;
    ++figures_.commits;
    const Nanoseconds took = options_.now() - began;
    figures_.commit_time += took;
    pace_.Add(took, began + took);
  }
  return status;
}

absl::Status Writer::Reconnect() {
  connection_.reset();
  WL_ASSIGN_OR_RETURN(std::unique_ptr<Connection> fresh, store_->Connect());
  if (options_.on_connect) {
    WL_RETURN_IF_ERROR(fresh->Begin());
    absl::Status status = options_.on_connect(*fresh);
    if (status.ok()) status = fresh->Commit();
    if (!status.ok()) {
      fresh->Rollback();
      return status;
    }
  }
  if (options_.on_connected) options_.on_connected();
  connection_ = std::move(fresh);
  return absl::OkStatus();
}

// False: the writer stops.
bool Writer::Backoff(Nanoseconds wait, const absl::Status& why) {
  if (wait > kFirstBackoff && options_.on_trouble) options_.on_trouble(why);
  MutexLock lock(&mutex_);
  ++figures_.retries;
  if (IsInDoubt(why)) ++figures_.in_doubt;
  last_error_ = std::string(why.message());
  ending_.WaitFor(&mutex_, wait, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stopping_; });
  return !stopping_;
}

void Writer::Answer(Piece& piece, const absl::Status& status) {
  Done done;
  {
    MutexLock lock(&mutex_);
    if (absl::IsInternal(status)) ++figures_.failed;
    if (std::exchange(piece.answered, true)) return;
    done = std::move(piece.done);
    while (!awaited_.empty() && awaited_.front()->answered) awaited_.pop_front();
  }
  done(status);
}

// Patience is the same for all, so the first in the queue is the first that loses it.
void Writer::Watch() {
  for (;;) {
    Done done;
    std::string why;
    {
      MutexLock lock(&mutex_);
      if (stopping_) return;
      const Nanoseconds now = options_.now();
      const Nanoseconds wait =
          awaited_.empty() ? options_.patience : awaited_.front()->posted + options_.patience - now;
      if (wait > Nanoseconds(0)) {
        ending_.WaitFor(&mutex_, wait,
                        [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stopping_; });
        continue;
      }
      const std::shared_ptr<Piece> piece = std::move(awaited_.front());
      awaited_.pop_front();
      if (std::exchange(piece->answered, true)) continue;
      done = std::move(piece->done);
      ++figures_.overdue;
      why = last_error_;
    }
    done(absl::UnavailableError(absl::StrCat("the usage record was not confirmed within ",
                                             ToSeconds(options_.patience), " s",
                                             why.empty() ? "" : ": ", why)));
  }
}

}  // namespace waferline::store
