// A file mapped read-only into memory; pages come in as they are touched. A resource: the mapping
// lives as long as the object. Any thread.
//
// A file that is replaced by renaming another over it stays as it was. One that is changed in place
// is noticed by its facts (file_guard.h), and what was cut off reads as zeros instead of ending the
// process (a handler of SIGBUS, installed with the first mapping, which leaves other faults alone).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "wafer_backend/base/mutex.h"

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

  // What is another when the file was changed in place.
  struct Facts {
    int64_t size = 0;
    int64_t modified_ns = 0;
    bool torn = false;  // a page was read that had been cut off
    bool operator==(const Facts&) const = default;
  };
  Facts Look() const;  // a system call

  // Copies `part` of bytes() into memory, where nothing changes it, if `is_right` of the copy; it
  // stays in place, also for those who read it meanwhile. DataLoss if it is not;
  // ResourceExhausted without memory for it.
  absl::Status Hold(std::span<const std::byte> part,
                    const std::function<bool(std::span<const std::byte>)>& is_right);

  // Gives the memory behind `part` of bytes() back to the system; it comes from the file again if
  // it is touched again. Nothing happens to the held start, nor to any part once one is held.
  void Release(std::span<const std::byte> part) const;

 private:
  MappedFile(const std::string& path, int descriptor);
  absl::Status Map();

  const std::string path_;
  const int descriptor_;
  size_t held_ = 0;  // bytes from the start, whole pages
  std::span<const std::byte> bytes_;
  std::atomic<bool>* torn_ = nullptr;  // set by the handler; null: no room in its list
  mutable Mutex mutex_;
  bool holds_ ABSL_GUARDED_BY(mutex_) = false;  // a part
};

}  // namespace waferline::model
