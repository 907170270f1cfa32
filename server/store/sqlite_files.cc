#include "server/store/sqlite_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace waferline::store {

SqliteFiles::File SqliteFiles::File::At(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return {};
  return {file.st_dev, file.st_ino, file.st_size};
}

void SqliteFiles::Pin() { file_ = File::At(path_); }

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

void SqliteFiles::EndUse() {
  const File log = File::At(log_path_), index = File::At(index_path_);
  MutexLock lock(&mutex_);
  --within_;
  if (log_.node == 0) log_ = log;
  if (index_.node == 0) index_ = index;
  if (log.Is(log_)) log_.size = std::max(log_.size, log.size);
  if (index.Is(index_)) index_.size = std::max(index_.size, index.size);
}

bool SqliteFiles::RestoreIndex() {
  MutexLock lock(&mutex_);
  return within_ == 0 && truncate(index_path_.c_str(), index_.size) == 0;
}

void SqliteFiles::OnLogTruncated() {
  const File log = File::At(log_path_);
  MutexLock lock(&mutex_);
  if (log.Is(log_)) log_.size = log.size;
}

SqliteFiles::State SqliteFiles::Look() const {
  if (!File::At(path_).Is(file_)) return State::kReplaced;
  const File log = File::At(log_path_), index = File::At(index_path_);
  MutexLock lock(&mutex_);
  if (log_.node != 0 && !log.Is(log_)) return State::kLogGone;
  if (index_.node != 0 && !index.Is(index_)) return State::kLogGone;
  if (index.size < index_.size) return State::kIndexShort;
  return log.size < log_.size ? State::kLogShort : State::kInUse;
}

absl::Status SqliteFiles::Check() const {
  switch (Look()) {
    case State::kInUse:
    case State::kIndexShort:
      return absl::OkStatus();
    case State::kReplaced:
      return absl::UnavailableError(
          absl::StrCat(path_,
                       ": was removed or replaced while this server uses it; put it back, or "
                       "restart the server"));
    case State::kLogGone:
      return absl::UnavailableError(
          absl::StrCat(path_,
                       ": its log (-wal or -shm) was removed or replaced while this server uses "
                       "it; what it held is in the database: restart the server"));
    case State::kLogShort:
      return absl::UnavailableError(absl::StrCat(
          log_path_,
          ": was cut short while this server uses it: put the whole file back, or restart the "
          "server, which keeps what the rest holds"));
  }
  return absl::OkStatus();
}

}  // namespace waferline::store
