#include "server/store/sqlite_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace waferline::store {

SqliteFiles::File SqliteFiles::File::At(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return {};
  return {file.st_dev, file.st_ino, file.st_size,
          int64_t{file.st_mtim.tv_sec} * 1'000'000'000 + file.st_mtim.tv_nsec};
}

// A header, then a header and a page for each frame.
off_t SqliteFiles::Index::log_size() const {
  return frames == 0 ? 0 : 32 + off_t{frames} * (24 + off_t{page});
}

bool SqliteFiles::Index::MayHaveCopiedSince(const Index& before) const {
  const bool copies = copying > copied;
  return copies || log != before.log || copied != before.copied || copying != before.copying;
}

SqliteFiles::~SqliteFiles() {
  MutexLock lock(&mutex_);
  if (index_descriptor_ >= 0) close(index_descriptor_);
}

void SqliteFiles::Pin() {
  MutexLock lock(&mutex_);
  file_ = File::At(path_);
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
  MutexLock lock(&mutex_);
  --within_;
  if (log_.node == 0 || index_.node == 0) Adopt();
  return LookLocked();
}

// The log and its index are those that the first use has made.
void SqliteFiles::Adopt() {
  log_ = File::At(log_path_);
  index_ = File::At(index_path_);
  if (index_.node == 0) return;
  if (index_descriptor_node_ != index_.node) {
    if (index_descriptor_ >= 0) close(index_descriptor_);
    index_descriptor_ = open(index_path_.c_str(), O_RDONLY | O_CLOEXEC);
    index_descriptor_node_ = index_.node;
  }
  seen_ = ReadIndex();
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
  const Index says = ReadIndex();  // before the files: what comes between is seen next time
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

bool SqliteFiles::WrittenBySqlite(const File& file, const Index& index) {
  const Index before = std::exchange(seen_, index);
  const bool written = file.size != file_.size || file.modified_ns != file_.modified_ns;
  const bool by_sqlite =
      written && (index.MayHaveCopiedSince(before) || ReadIndex().MayHaveCopiedSince(index));
  if (by_sqlite) file_ = file;
  return !written || by_sqlite;
}

// Frames are in the log before the index says so, and the index says that there are none before the
// log is cut.
bool SqliteFiles::LogIsWhole() const {
  for (Index index = ReadIndex();;) {
    if (File::At(log_path_).size >= index.log_size()) return true;
    const Index again = ReadIndex();
    if (again == index) return false;
    index = again;
  }
}

// The header and what follows it, in the byte order of the machine.
SqliteFiles::Index SqliteFiles::ReadIndex() const {
  constexpr size_t kPage = 14, kFrames = 16, kLog = 32, kCopied = 96, kCopying = 128;
  char bytes[136] = {};
  Index index;
  if (index_.node == 0 || index_descriptor_ < 0 ||
      pread(index_descriptor_, bytes, sizeof(bytes), 0) != sizeof(bytes)) {
    return index;
  }
  uint16_t page;
  memcpy(&page, bytes + kPage, sizeof(page));
  index.page = page == 1 ? 65536 : page;
  memcpy(&index.frames, bytes + kFrames, sizeof(index.frames));
  memcpy(&index.log, bytes + kLog, sizeof(index.log));
  memcpy(&index.copied, bytes + kCopied, sizeof(index.copied));
  memcpy(&index.copying, bytes + kCopying, sizeof(index.copying));
  return index;
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
          "the usage database was cut or written to by another program than SQLite while this "
          "server uses it: stop the server; if the file is as it was and only its time was "
          "changed, "
          "start it again; else first put a whole copy in its place, without the -wal and -shm of "
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
