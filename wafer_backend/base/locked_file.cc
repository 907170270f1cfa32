#include "wafer_backend/base/locked_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace waferline {
namespace {

// Without it a pipe is waited for until someone opens its other end.
constexpr int kFlags = O_CLOEXEC | O_NONBLOCK;

// `error`: errno of open.
absl::Status NotOpened(const std::string& path, int error) {
  if (error == EISDIR) {
    return absl::UnavailableError(absl::StrCat(path, ": is a folder; name a file in it"));
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (error == ENOENT && !folder.empty()) {
    return absl::UnavailableError(
        absl::StrCat(path, ": there is no folder ", folder, "; make it: mkdir -p '", folder, "'"));
  }
  return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<LockedFile> LockedFile::Take(const std::string& path) {
  LockedFile file(open(path.c_str(), O_RDWR | O_CREAT | kFlags, 0600));
  struct stat info = {};
  if (file.descriptor_ < 0 || fstat(file.descriptor_, &info) != 0) {
    return NotOpened(path, errno);
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": is not a plain file (a pipe, a device or the like); remove it"));
  }
  if (flock(file.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    return absl::AlreadyExistsError(absl::StrCat(path, ": another process has it open"));
  }
  return file;
}

bool LockedFile::IsTaken(const std::string& path) {
  const LockedFile file(open(path.c_str(), O_RDONLY | kFlags));
  return file.descriptor_ >= 0 && flock(file.descriptor_, LOCK_SH | LOCK_NB) != 0;
}

LockedFile::~LockedFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

LockedFile::LockedFile(LockedFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

LockedFile& LockedFile::operator=(LockedFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace waferline
