// A model file as everything else reads it: metadata and tensors, named as in a GGUF file, as views
// on mapped bytes. Source of the format: ggml docs/gguf.md.
//
// Immutable after opening, any thread; shared, because weights are views into it. Every length,
// count and offset is checked against the size of the file before anything is allocated for it, so
// opening costs memory proportional to the file's header at most. Errors are InvalidArgument and
// name the file, the key or the tensor, the position, and what was expected.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
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

// What a reader of files makes: the bytes that it holds, and views into them.
struct ModelContents {
  std::string name;    // the path that was opened
  std::string format;  // "GGUF version 3", "GGUF version 3 in 4 files"
  std::vector<std::unique_ptr<MappedFile>> maps;
  std::deque<std::string> owned;  // bytes that are not mapped; their addresses stay
  Metadata metadata;
  std::vector<GgufTensor> tensors;
};

class GgufFile {
 public:
  // A GGUF file (versions 2 and 3, little-endian). Of a model that is split over files
  // (NAME-00001-of-00003.gguf) any part: the others are found next to it. Or a folder of
  // safetensors (checkpoint.h). Errors of the path as in MappedFile::Open.
  static absl::StatusOr<std::shared_ptr<const GgufFile>> Open(const std::string& path);
  // A GGUF file from memory (tests, fuzzing); `name` stands in messages.
  static absl::StatusOr<std::shared_ptr<const GgufFile>> FromBytes(std::string bytes,
                                                                   std::string name = "model");
  // InvalidArgument if two tensors have the same name.
  static absl::StatusOr<std::shared_ptr<const GgufFile>> FromContents(ModelContents contents);

  const std::string& name() const { return contents_.name; }
  const std::string& format() const { return contents_.format; }
  size_t file_size() const;  // of all files together
  size_t held_size() const;  // of bytes that are in memory, not mapped
  const Metadata& metadata() const { return contents_.metadata; }
  std::span<const GgufTensor> tensors() const { return contents_.tensors; }
  const GgufTensor* FindTensor(std::string_view name) const;  // nullptr if it is not there

  // Gives the memory of a part of a tensor back to the system, as MappedFile::Release does. Nothing
  // happens to bytes that are not mapped.
  void Release(std::span<const std::byte> part) const;
  // Of all mapped files (mapped_file.h).
  using Facts = std::vector<MappedFile::Facts>;
  Facts Look() const;
  // Holds a part of a tensor, as MappedFile::Hold does; bytes that are not mapped are held.
  absl::Status Hold(std::span<const std::byte> part,
                    const std::function<bool(std::span<const std::byte>)>& is_right) const;

 private:
  explicit GgufFile(ModelContents contents) : contents_(std::move(contents)) {}
  MappedFile* MapOf(std::span<const std::byte> part) const;  // null: it is not mapped

  ModelContents contents_;
  std::unordered_map<std::string_view, size_t> tensor_index_;
};

}  // namespace waferline::model
