// Files, read and written whole, or written piece by piece. Blocks on the disk. The functions may
// be called on any thread.
#pragma once

#include <cstddef>
#include <fstream>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waferline {

inline constexpr size_t kMaxReadBytes = size_t{1} << 34;
inline constexpr size_t kMaxConfigBytes = size_t{1} << 24;  // of what a person writes

// NotFound if there is no such file, InvalidArgument for a folder or for more than `max_bytes`,
// Unavailable if reading fails; the message names the path and the reason.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes = kMaxReadBytes);
// Before a library reads it by its path, which would wait at a pipe: NotFound if there is no such
// file, InvalidArgument if it is not a regular one, or larger; the message names the path.
absl::Status CheckRegularFile(const std::string& path, size_t max_bytes);
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
