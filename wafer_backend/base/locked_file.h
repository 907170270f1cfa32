// A file that one process has at a time: the kernel's lock (flock) on it ends with the process,
// however that ends. The file is made if there is none, readable by its owner alone.
//
// Owner: who works with what the file guards. Thread: any.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace waferline {

class LockedFile {
 public:
  // At once, whatever is at the path. AlreadyExists: another process has it. FailedPrecondition: it
  // is a pipe, a device or the like, which no one can lock or read back. Unavailable: it cannot be
  // opened. The message names the path.
  static absl::StatusOr<LockedFile> Take(const std::string& path);
  // Whether a process has it now.
  static bool IsTaken(const std::string& path);

  LockedFile() = default;  // none
  ~LockedFile();
  LockedFile(LockedFile&& other) noexcept;
  LockedFile& operator=(LockedFile&& other) noexcept;

  // Open to read and to write; -1: none.
  int descriptor() const { return descriptor_; }

 private:
  explicit LockedFile(int descriptor) : descriptor_(descriptor) {}

  int descriptor_ = -1;
};

}  // namespace waferline
