// The header of a safetensors file: which tensors it holds, and where. Source of the format:
// huggingface.co/docs/safetensors (a 64-bit little-endian length, that many bytes of JSON, data).
// Pure; any thread.
//
// Nothing of the header is believed: offsets must lie in the file, tensors must fill it without gap
// or overlap, and their sizes must be those of their shapes and types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/kernels/dtype.h"

namespace waferline::model {

struct SafeTensor {
  std::string name;
  std::string type;  // as in the file
  // F32, F16 or BF16; nothing for a type that weights cannot be read from.
  std::optional<kernels::DType> dtype;
  std::vector<int64_t> shape;        // outermost first; at most 4 sizes, each >= 1
  std::span<const std::byte> bytes;  // row after row, not aligned
};

// In the order of their bytes. InvalidArgument naming the tensor and what is wrong with its entry;
// ResourceExhausted for a header of more than 100 MB (the format's own bound).
absl::StatusOr<std::vector<SafeTensor>> ReadSafetensors(std::span<const std::byte> file);

}  // namespace waferline::model
