#include "server/store/sqlite_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace waferline::store {

SqliteFiles::File SqliteFiles::File::At(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return {};
  return {file.st_dev, file.st_ino, file.st_size,
          int64_t{file.st_mtim.tv_sec} * 1'000'000'000 + file.st_mtim.tv_nsec};
}

SqliteFiles::~SqliteFiles() {
  MutexLock lock(&mutex_);
  if (index_descriptor_ >= 0) close(index_descriptor_);
}

void SqliteFiles::Pin() {
  MutexLock lock(&mutex_);
  file_ = File::At(path_);
  watch_.Follow(path_);
  digest_.Follow(path_);
  left_.Look(path_);
}

bool SqliteFiles::OnRecovered() {
  MutexLock lock(&mutex_);
  if (log_.node == 0 || index_.node == 0) Adopt();
  Notice(left_.TakeLoss(seen_));
  return seen_.copying > seen_.copied;
}

void SqliteFiles::OnOpen() {
  MutexLock lock(&mutex_);
  ++connections_;
}

void SqliteFiles::OnClose() {
  MutexLock lock(&mutex_);
  if (--connections_ == 0) log_ = index_ = {};
}

SqliteFiles::State SqliteFiles::BeginUse() {
  State state = Look();
  if (state == State::kIndexShort && RestoreIndex()) state = Look();
  MutexLock lock(&mutex_);
  if (state == State::kInUse) ++within_;
  return state;
}

SqliteFiles::State SqliteFiles::EndUse() {
  bool first;
  State state;
  {
    MutexLock lock(&mutex_);
    --within_;
    first = log_.node == 0 || index_.node == 0;
    if (first) Adopt();
    state = LookLocked();
  }
  if (first) Learn();
  return state;
}

// The log and its index are those that the first use has made.
void SqliteFiles::Adopt() {
  log_ = File::At(log_path_);
  index_ = File::At(index_path_);
  if (index_.node == 0) return;
  if (index_descriptor_node_ != index_.node) {
    if (index_descriptor_ >= 0) close(index_descriptor_);
    index_descriptor_ = open(index_path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    index_descriptor_node_ = index_.node;
  }
  seen_ = ReadIndex();
  watch_.Take();
  changes_ = {};
  learned_.reset();
  const File file = File::At(path_);
  if (file.Is(file_)) file_ = file;
}

bool SqliteFiles::RestoreIndex() {
  MutexLock lock(&mutex_);
  return within_ == 0 && truncate(index_path_.c_str(), index_.size) == 0;
}

SqliteFiles::State SqliteFiles::Look() {
  MutexLock lock(&mutex_);
  return LookLocked();
}

SqliteFiles::State SqliteFiles::LookLocked() {
  const LogIndex says = ReadIndex();  // before the files: what comes between is seen next time
  changes_.Add(watch_.Take());        // a report follows its change, so this is before them too
  const File file = File::At(path_), log = File::At(log_path_), index = File::At(index_path_);
  if (!file.Is(file_)) return State::kReplaced;
  if (log_.node != 0 && !log.Is(log_)) return State::kLogGone;
  if (index_.node != 0 && !index.Is(index_)) return State::kLogGone;
  if (index.size < index_.size) return State::kIndexShort;
  if (changed_ || (index_.node != 0 && !WrittenBySqlite(file, says))) {
    changed_ = true;
    return State::kChanged;
  }
  if (log.size < log_.size && !LogIsWhole()) return State::kLogShort;
  if (log_.node != 0) log_.size = log.size;
  if (index_.node != 0) index_.size = index.size;
  return State::kInUse;
}

bool SqliteFiles::WrittenBySqlite(const File& file, const LogIndex& index) {
  const LogIndex before = std::exchange(seen_, index);
  const FileWatch::Changes reported = std::exchange(changes_, {});
  if (file.size == file_.size && file.modified_ns == file_.modified_ns) return true;
  const auto copied = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return ReadIndex().MayHaveCopiedSince(index);
  };
  bool by_sqlite = index.MayHaveCopiedSince(before) || copied();
  if (!by_sqlite) {
    if (!watch_.works() || file.size != file_.size) return false;
    if (!reported.bytes && !reported.attributes) return ++unreported_ < kMaxUnreported;
    by_sqlite = reported.bytes && !IsAsLearned();
    if (by_sqlite && !copied()) return false;  // while the bytes were read
  }
  if (by_sqlite) {
    learned_.reset();
  } else {
    Notice("its time was changed by another program, and none of its bytes: the server goes on");
  }
  unreported_ = 0;
  file_ = file;
  return true;
}

// What comes while it reads is left to the next look, and then it has learned nothing.
void SqliteFiles::Learn() {
  {
    MutexLock lock(&mutex_);
    if (learned_ || index_.node == 0 || LookLocked() != State::kInUse) return;
  }
  const std::optional<uint64_t> read = digest_.Now();
  MutexLock lock(&mutex_);
  changes_.Add(watch_.Take());
  if (!changes_.bytes && File::At(path_).modified_ns == file_.modified_ns) learned_ = read;
}

bool SqliteFiles::IsAsLearned() const { return learned_ && digest_.Now() == learned_; }

// Frames are in the log before the index says so, and the index says that there are none before the
// log is cut.
bool SqliteFiles::LogIsWhole() const {
  for (LogIndex index = ReadIndex();;) {
    if (File::At(log_path_).size >= index.log_size()) return true;
    const LogIndex again = ReadIndex();
    if (again == index) return false;
    index = again;
  }
}

LogIndex SqliteFiles::ReadIndex() const {
  return index_.node == 0 ? LogIndex() : LogIndex::Read(index_descriptor_);
}

void SqliteFiles::AddNotice(std::string text) {
  MutexLock lock(&mutex_);
  Notice(std::move(text));
}

void SqliteFiles::Notice(std::string text) {
  if (!text.empty() && notices_.size() < kMaxNotices) notices_.push_back(std::move(text));
}

std::vector<std::string> SqliteFiles::TakeNotices() {
  MutexLock lock(&mutex_);
  return std::exchange(notices_, {});
}

absl::Status SqliteFiles::StatusOf(State state) {
  switch (state) {
    case State::kInUse:
    case State::kIndexShort:
      return absl::OkStatus();
    case State::kReplaced:
      return absl::UnavailableError(
          "the usage database was removed or replaced while this server uses it; put it back, or "
          "restart the server");
    case State::kChanged:
      return absl::UnavailableError(
          "the usage database was cut or written to by another program (not SQLite) while this "
          "server uses it: stop the server; if the file is as it was (only the time of its last "
          "change was set), start it again; else first put a whole copy in its place, without the "
          "-wal and -shm of "
          "before");
    case State::kLogGone:
      return absl::UnavailableError(
          "the usage database's log (-wal or -shm) was removed or replaced while this server uses "
          "it; what it held is in the database: restart the server");
    case State::kLogShort:
      return absl::UnavailableError(
          "the usage database's log (-wal) was cut short while this server uses it: put the whole "
          "file back, or restart the server, which keeps what the rest holds");
  }
  return absl::OkStatus();
}

}  // namespace waferline::store
