// Files, read and written whole, or written piece by piece. Blocks on the disk. The functions may
// be called on any thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <fstream>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline {

inline constexpr size_t kMaxReadBytes = size_t{1} << 34;
inline constexpr size_t kMaxConfigBytes = size_t{1} << 24;  // of what a person writes

// NotFound if it cannot be opened, InvalidArgument if it is not a regular file (a pipe would be
// waited for, a device may have no end) or has more than `max_bytes`, Unavailable if reading fails;
// the message names the path and the reason, or what it is.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes = kMaxReadBytes);
// The same for what one program passes to another, so of a pipe as well: waits until its end, but
// only some seconds for its first writer. Unavailable: it has none.
absl::StatusOr<std::string> ReadFileOrPipe(const std::string& path,
                                           size_t max_bytes = kMaxReadBytes);
// Before a library reads it by its path: errors of ReadFile.
absl::Status CheckRegularFile(const std::string& path, size_t max_bytes);
// The same of a file that is made if there is none.
absl::Status CheckRegularFileOrNew(const std::string& path);
// Of one that is open: InvalidArgument if its `mode` is not a regular file's.
absl::Status CheckIsRegular(const std::string& path, mode_t mode);
// NotFound if there is none, InvalidArgument if it is not a folder; the message says what it is.
absl::Status CheckFolder(const std::string& path);
// Replaces the file. Unavailable if it cannot be written whole (a full disk, no permission).
absl::Status WriteFile(const std::string& path, std::string_view text);
// The same for a file that others wait for: they see it whole or not at all. Written as PATH.new,
// then renamed; a device or a pipe is written itself.
absl::Status WriteFileAtOnce(const std::string& path, std::string_view text);
// The same, and on the disk when this returns, so that it is there after a loss of power.
absl::Status WriteFileDurably(const std::string& path, std::string_view text);

// A file that is written piece by piece. Owner: the writer; one thread.
class OutputFile {
 public:
  // Replaces the file. Errors as of WriteFile.
  absl::Status Open(const std::string& path);
  bool is_open() const { return stream_.is_open(); }
  std::ostream& stream() { return stream_; }
  // Unavailable if any write since Open failed. To be called when everything was written.
  absl::Status Close();

 private:
  std::string path_;
  std::ofstream stream_;
};

}  // namespace waferline
