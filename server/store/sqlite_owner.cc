#include "server/store/sqlite_owner.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "wafer_backend/base/files.h"

namespace waferline::store {

SqliteOwner::~SqliteOwner() {
  if (file_ >= 0) close(file_);
  if (database_ >= 0) close(database_);
}

absl::Status SqliteOwner::Failed() const {
  return absl::UnavailableError(absl::StrCat(file_path_, ": ", std::strerror(errno)));
}

absl::Status SqliteOwner::OpenElsewhere(const std::string& process) const {
  return absl::FailedPreconditionError(absl::StrCat(
      path_, ": is open in another server (pid ", process.empty() ? "unknown" : process,
      "); one server owns a SQLite file, several share PostgreSQL"));
}

absl::Status SqliteOwner::Take() {
  std::error_code absent;
  if (std::filesystem::hard_link_count(path_, absent) > 1 && !absent) {
    return absl::FailedPreconditionError(absl::StrCat(
        path_,
        ": has more than one name (hard links), by which another server could open it; keep one"));
  }
  const bool is_new = !std::filesystem::exists(file_path_, absent);
  file_ = open(file_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) return Failed();
  const bool taken = flock(file_, LOCK_EX | LOCK_NB) == 0;
  const auto text = ReadFile(file_path_, 64);
  const std::vector<std::string> words = absl::StrSplit(text.ok() ? *text : "", ' ');
  if (!taken) return OpenElsewhere(words[0]);
  // Usage and key digests are for the server's user alone.
  database_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (database_ < 0) {
    return absl::UnavailableError(absl::StrCat(path_, ": ", std::strerror(errno)));
  }
  if (flock(database_, LOCK_EX | LOCK_NB) != 0) return OpenElsewhere("");
  return KeepEpoch(EpochOf(words, is_new));
}

// A process, an epoch, a space; after it, if a server died in KeepEpoch, the end of what was there
// before.
int64_t SqliteOwner::EpochOf(const std::vector<std::string>& words, bool is_new) {
  int64_t epoch = 0;
  const bool good =
      words.size() >= 3 && absl::SimpleAtoi(words[1], &epoch) && epoch >= 0 && epoch < kMaxEpoch;
  if (good || is_new) return epoch;
  notice_ = absl::StrCat(
      file_path_, " holds no epoch (a number below ", kMaxEpoch, ") but '",
      absl::CHexEscape(absl::StrJoin(words, " ")),
      "': it was damaged. The next epoch is the database's own, which is right unless the database "
      "is a copy of an older state; then usage ids may come again");
  return 0;
}

bool SqliteOwner::IsTaken(const std::string& path) {
  const int file = open((path + ".owner").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool taken = flock(file, LOCK_SH | LOCK_NB) != 0;
  close(file);
  return taken;
}

// Overwritten before it is cut: a server that dies between leaves both numbers.
absl::Status SqliteOwner::KeepEpoch(int64_t epoch) {
  const std::string text = absl::StrCat(getpid(), " ", epoch, " ");
  const auto size = static_cast<ssize_t>(text.size());
  if (pwrite(file_, text.data(), text.size(), 0) != size || ftruncate(file_, size) != 0 ||
      fdatasync(file_) != 0) {
    return Failed();
  }
  last_epoch_ = epoch;
  return absl::OkStatus();
}

}  // namespace waferline::store
