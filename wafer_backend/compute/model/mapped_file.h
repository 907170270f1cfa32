// A file mapped read-only into memory; pages come in as they are touched. A resource: the mapping
// lives as long as the object. Any thread. The file must not shrink while it is mapped (replace a
// model file by renaming a new one over it).
#pragma once

#include <cstddef>
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

  // Gives the memory behind `part` of bytes() back to the system; it comes from the file again if
  // it is touched again.
  void Release(std::span<const std::byte> part) const;

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace waferline::model
