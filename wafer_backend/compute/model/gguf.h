// A GGUF model file (versions 2 and 3, little-endian): metadata and tensors, as views on the mapped
// bytes. Source of the format: ggml docs/gguf.md.
//
// Immutable after opening, any thread; shared, because weights are views into it. Every length,
// count and offset is checked against the size of the file before anything is allocated for it, so
// opening costs memory proportional to the file's header at most. Errors are InvalidArgument and
// name the key or the tensor, the position, and what was expected.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/model/mapped_file.h"
#include "wafer_backend/compute/model/metadata.h"

namespace waferline::model {

struct GgufTensor {
  std::string_view name;
  uint32_t gguf_type = 0;
  // Nothing if this build does not know the layout; `bytes` is empty then.
  std::optional<kernels::DType> dtype;
  int rank = 0;                             // 1 .. 4
  std::array<int64_t, 4> dims{1, 1, 1, 1};  // dims[0] is contiguous: a row; each >= 1
  std::span<const std::byte> bytes;         // whole blocks, row after row

  int64_t cols() const { return dims[0]; }
  int64_t rows() const { return dims[1] * dims[2] * dims[3]; }
  int64_t elements() const { return cols() * rows(); }
  std::string TypeName() const;   // "Q4_K", or "type 77"
  std::string ShapeText() const;  // "[64, 128]", as in the file: contiguous dimension first
};

class GgufFile {
 public:
  // Maps the file. Errors of the path as in MappedFile::Open.
  static absl::StatusOr<std::shared_ptr<const GgufFile>> Open(const std::string& path);
  // The same from memory (tests, fuzzing); `name` stands in messages.
  static absl::StatusOr<std::shared_ptr<const GgufFile>> FromBytes(std::string bytes,
                                                                   std::string name = "model");

  const std::string& name() const { return name_; }
  uint32_t version() const { return version_; }
  uint64_t alignment() const { return alignment_; }
  size_t file_size() const { return bytes_.size(); }
  const Metadata& metadata() const { return metadata_; }
  std::span<const GgufTensor> tensors() const { return tensors_; }  // in the order of the file
  const GgufTensor* FindTensor(std::string_view name) const;        // nullptr if it is not there

  // Gives the memory of a part of a tensor back to the system, as MappedFile::Release does. Nothing
  // happens to a file from memory.
  void Release(std::span<const std::byte> part) const {
    if (map_ != nullptr) map_->Release(part);
  }

 private:
  GgufFile() = default;
  absl::Status Parse();

  std::string name_;
  std::unique_ptr<MappedFile> map_;
  std::string owned_;  // instead of map_
  std::span<const std::byte> bytes_;
  uint32_t version_ = 0;
  uint64_t alignment_ = 0;
  Metadata metadata_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, size_t> tensor_index_;
};

}  // namespace waferline::model
