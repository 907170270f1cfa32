// A file mapped read-only into memory; pages come in as they are touched. A resource: the mapping
// lives as long as the object. Any thread.
//
// A file that is replaced by renaming another over it stays as it was. One that is changed in place
// is noticed: CheckUnchanged says so, and what was cut off reads as zeros instead of ending the
// process (a handler of SIGBUS, installed with the first mapping, which leaves other faults alone).
#pragma once

#include <atomic>
#include <cstddef>
#include <ctime>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace waferline::model {

class MappedFile {
 public:
  // NotFound, PermissionDenied or InvalidArgument (a directory, an empty file) naming the path.
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::string& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

  // Copies the first `size` bytes into memory, where nothing changes them; bytes() stay in place.
  // ResourceExhausted without memory for that.
  absl::Status HoldStart(size_t size);

  // DataLoss naming the path if the file is no longer what was mapped: another size or time of
  // change. A system call.
  absl::Status CheckUnchanged() const;

  // Gives the memory behind `part` of bytes() back to the system; it comes from the file again if
  // it is touched again. Nothing happens to what is held.
  void Release(std::span<const std::byte> part) const;

 private:
  MappedFile(const std::string& path, int descriptor);
  absl::Status Map();

  const std::string path_;
  const int descriptor_;
  timespec changed_at_{};  // the file's time, when it was mapped
  size_t held_ = 0;        // bytes from the start, whole pages
  std::span<const std::byte> bytes_;
  std::atomic<bool>* torn_ = nullptr;  // set by the handler; null: no room in its list
};

}  // namespace waferline::model
