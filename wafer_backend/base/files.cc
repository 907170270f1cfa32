#include "wafer_backend/base/files.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline {
namespace {

using File = std::unique_ptr<FILE, int (*)(FILE*)>;

absl::Status Failed(absl::StatusCode code, const char* verb, const std::string& path) {
  return {code, absl::StrCat("cannot ", verb, " ", path, ": ", strerror(errno))};
}

// False: errno says why.
bool Write(const std::string& path, std::string_view text, bool to_disk = false) {
  FILE* file = fopen(path.c_str(), "wb");
  if (file == nullptr) return false;
  const bool written = fwrite(text.data(), 1, text.size(), file) == text.size() &&
                       (!to_disk || (fflush(file) == 0 && fsync(fileno(file)) == 0));
  const int reason = errno;
  if (fclose(file) == 0 && written) return true;
  if (!written) errno = reason;
  return false;
}

// So that a rename in it is on the disk. False: errno says why.
bool SyncFolder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return false;
  const bool synced = fsync(folder) == 0;
  const int reason = errno;
  close(folder);
  errno = reason;
  return synced;
}

const char* FileKind(mode_t mode) {
  if (S_ISREG(mode)) return "a file";
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

absl::Status IsNot(const char* wanted, const std::string& path, mode_t mode) {
  return absl::InvalidArgumentError(absl::StrCat(path, " is ", FileKind(mode), ", not ", wanted));
}

absl::Status TooLarge(const std::string& path, size_t max_bytes) {
  return absl::InvalidArgumentError(absl::StrCat(path, " is larger than ", max_bytes, " bytes"));
}

// Follows `text`, which was read before. `descriptor` is closed.
absl::StatusOr<std::string> ReadAll(const std::string& path, int descriptor, size_t max_bytes,
                                    std::string text = "") {
  const File file(descriptor < 0 ? nullptr : fdopen(descriptor, "rb"), fclose);
  if (file == nullptr) return Failed(absl::StatusCode::kNotFound, "read", path);
  char buffer[1 << 16];
  while (const size_t got = fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, got);
    if (text.size() > max_bytes) return TooLarge(path, max_bytes);
  }
  if (ferror(file.get()) != 0) return Failed(absl::StatusCode::kUnavailable, "read", path);
  return text;
}

// Of a pipe that was opened without waiting. `first` gets what had to be read to find out.
bool HasWriter(int pipe, std::string* first) {
  constexpr int kPatienceMs = 2000;  // for one that is just being started
  pollfd event{.fd = pipe, .events = POLLIN, .revents = 0};
  if (poll(&event, 1, kPatienceMs) != 0) return true;
  char byte = 0;
  const ssize_t got = read(pipe, &byte, 1);  // without a writer at its end, else it would be waited
  if (got == 1) first->push_back(byte);
  return got != 0;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  WL_RETURN_IF_ERROR(CheckRegularFile(path, max_bytes));
  // If a pipe took its place meanwhile, that is not waited for either.
  return ReadAll(path, open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK), max_bytes);
}

absl::StatusOr<std::string> ReadFileOrPipe(const std::string& path, size_t max_bytes) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || !S_ISFIFO(info.st_mode)) return ReadFile(path, max_bytes);
  const int pipe = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  std::string first;
  if (pipe >= 0 && !HasWriter(pipe, &first)) {
    close(pipe);
    return absl::UnavailableError(path + " is a pipe without a writer; start its writer first");
  }
  if (pipe >= 0) (void)fcntl(pipe, F_SETFL, O_RDONLY);
  return ReadAll(path, pipe, max_bytes, std::move(first));
}

absl::Status CheckRegularFile(const std::string& path, size_t max_bytes) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return Failed(absl::StatusCode::kNotFound, "read", path);
  WL_RETURN_IF_ERROR(CheckIsRegular(path, info.st_mode));
  if (static_cast<size_t>(info.st_size) <= max_bytes) return absl::OkStatus();
  return TooLarge(path, max_bytes);
}

absl::Status CheckRegularFileOrNew(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 && errno == ENOENT) return absl::OkStatus();
  return CheckRegularFile(path, std::numeric_limits<size_t>::max());
}

absl::Status CheckIsRegular(const std::string& path, mode_t mode) {
  return S_ISREG(mode) ? absl::OkStatus() : IsNot("a regular file", path, mode);
}

absl::Status CheckFolder(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return Failed(absl::StatusCode::kNotFound, "read", path);
  return S_ISDIR(info.st_mode) ? absl::OkStatus() : IsNot("a folder", path, info.st_mode);
}

absl::Status WriteFile(const std::string& path, std::string_view text) {
  if (Write(path, text)) return absl::OkStatus();
  return Failed(absl::StatusCode::kUnavailable, "write", path);
}

absl::Status WriteFileAtOnce(const std::string& path, std::string_view text) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    // Of a pipe that nobody reads this fails, where WriteFile would wait for a reader.
    const int reader = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (reader < 0) return Failed(absl::StatusCode::kUnavailable, "write", path);
    const absl::Status written = WriteFile(path, text);
    close(reader);
    return written;
  }
  const std::string fresh = path + ".new";
  if (Write(fresh, text) && std::rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return Failed(absl::StatusCode::kUnavailable, "write", path);
}

absl::Status WriteFileDurably(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (Write(fresh, text, /*to_disk=*/true) && std::rename(fresh.c_str(), path.c_str()) == 0 &&
      SyncFolder(folder.empty() ? "." : folder)) {
    return absl::OkStatus();
  }
  return Failed(absl::StatusCode::kUnavailable, "write", path);
}

absl::Status OutputFile::Open(const std::string& path) {
  path_ = path;
  errno = 0;
  stream_.open(path, std::ios::binary | std::ios::trunc);
  if (stream_) return absl::OkStatus();
  return Failed(absl::StatusCode::kUnavailable, "write", path);
}

absl::Status OutputFile::Close() {
  stream_.close();
  // Which write failed, and why, the stream does not keep.
  return stream_ ? absl::OkStatus() : absl::UnavailableError("cannot write all of " + path_);
}

}  // namespace waferline
