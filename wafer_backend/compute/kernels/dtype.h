// Element types of weight tensors, as GGUF files number them, with the size of their blocks. Plain
// values, any thread. Source: the GGUF specification (ggml docs/gguf.md, enum ggml_type). What the
// kernels know of each type is its row in quant_traits.h; the files' layouts are in quant_block.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "wafer_backend/base/units.h"

namespace waferline::kernels {

enum class DType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
  kMXFP4 = 39,
};

// The type with this GGUF number; nothing if this build does not know its layout.
std::optional<DType> DTypeFromGguf(uint32_t number);

// The name GGUF tools print for any number of the specification ("Q2_K"), also for those that this
// build cannot run; "type <n>" is up to the caller when this is empty.
std::string_view GgufTypeName(uint32_t number);

// "F32", "Q4_K", ...
std::string_view Name(DType dtype);

// Elements in one block: 1 for floats, 32 for Q8_0 and its like, 256 for the K-quants. A row of a
// tensor is a whole number of blocks.
int64_t BlockLength(DType dtype);
Bytes BlockBytes(DType dtype);

// Bytes of `elements` consecutive elements; they must be a whole number of blocks and not negative.
// Up to 2^58 elements fit.
Bytes BytesFor(DType dtype, int64_t elements);

// OK if the kernels multiply by weights of this GGUF type, else Unimplemented naming the type and
// those that run.
absl::Status RunnableStatus(uint32_t gguf_number);
inline absl::Status RunnableStatus(DType dtype) {
  return RunnableStatus(static_cast<uint32_t>(dtype));
}

}  // namespace waferline::kernels
