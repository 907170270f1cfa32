// The parts of a model's file that are read for as long as it is served, and whether they still are
// what they were when it was loaded. They are after a `touch`, or when the same bytes were written
// again: then they are copied into memory, so that what happens to the file later changes nothing.
//
// Owner: shard::PackedModel. Thread: any. Cost of Check: a system call for each file, none after a
// copy; when the file's facts have changed, a read of the parts.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::model {

class FileGuard {
 public:
  using Part = std::span<const std::byte>;

  // Reads the parts. DataLoss if the file has changed since `before`, when it began to be loaded.
  static absl::StatusOr<std::unique_ptr<const FileGuard>> Create(
      std::shared_ptr<const GgufFile> file, const GgufFile::Facts& before,
      const std::vector<Part>& parts);

  // DataLoss naming the file if a part was changed in place.
  absl::Status Check() const;

 private:
  struct Known {
    Part part;
    uint64_t digest;  // of this process: against a change by accident, not against a forger
  };
  FileGuard(std::shared_ptr<const GgufFile> file, GgufFile::Facts facts)
      : file_(std::move(file)), facts_(std::move(facts)) {}
  absl::Status Hold() const;

  const std::shared_ptr<const GgufFile> file_;
  const GgufFile::Facts facts_;  // with which it was loaded
  std::vector<Known> parts_;
  mutable std::atomic<bool> held_ = false;  // all parts
  mutable Mutex mutex_;
  mutable std::optional<GgufFile::Facts> seen_ ABSL_GUARDED_BY(mutex_);  // with which Hold failed
  mutable absl::Status failed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace waferline::model
