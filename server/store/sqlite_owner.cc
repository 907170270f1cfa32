#include "server/store/sqlite_owner.h"

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
#include "wafer_backend/base/status.h"

namespace waferline::store {

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
  absl::StatusOr<LockedFile> file = LockedFile::Take(file_path_);
  if (!file.ok() && !absl::IsAlreadyExists(file.status())) return file.status();
  const auto text = ReadFile(file_path_, 64);
  const std::vector<std::string> words = absl::StrSplit(text.ok() ? *text : "", ' ');
  if (!file.ok()) return OpenElsewhere(words[0]);
  file_ = *std::move(file);
  // Usage and key digests are for the server's user alone.
  absl::StatusOr<LockedFile> database = LockedFile::Take(path_);
  if (absl::IsAlreadyExists(database.status())) return OpenElsewhere("");
  WL_RETURN_IF_ERROR(database.status());
  database_ = *std::move(database);
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

bool SqliteOwner::IsTaken(const std::string& path) { return LockedFile::IsTaken(path + ".owner"); }

// Overwritten before it is cut: a server that dies between leaves both numbers.
absl::Status SqliteOwner::KeepEpoch(int64_t epoch) {
  const std::string text = absl::StrCat(getpid(), " ", epoch, " ");
  const auto size = static_cast<ssize_t>(text.size());
  const int file = file_.descriptor();
  if (pwrite(file, text.data(), text.size(), 0) != size || ftruncate(file, size) != 0 ||
      fdatasync(file) != 0) {
    return Failed();
  }
  last_epoch_ = epoch;
  return absl::OkStatus();
}

}  // namespace waferline::store
