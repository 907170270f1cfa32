// Everything that the kernels need to know of each type of weights, one row a type. To add a
// quantised type: its block and reader (quant_block.h), its product (two lines in one of the
// quantised_*.cc), and its row here. Packing, unpacking, activations, tests and benches read
// the row; no other place names the type.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/cpu.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/kernels/quant_block.h"

namespace waferline::kernels {

struct ProductTask;

// How rows of activations become integers, -largest .. largest.
enum class Int8Form : uint8_t {
  kFine,
  // An activation can be added to a weight of four bits within a byte, and scales change less
  // often, as Winograd's products (winograd-inl.h) need. Q4_0's own rounding is far coarser.
  kWinograd,
};
inline constexpr size_t kInt8Forms = 2;

struct Int8Scale {
  // Columns of a row that share a scale. It is the row's scale times a power of two: going from one
  // to the next is an addition to an exponent (why: activations.cc).
  int64_t columns;
  int largest;
};
constexpr Int8Scale ScaleOf(Int8Form form) {
  return form == Int8Form::kWinograd ? Int8Scale{128, 120} : Int8Scale{64, 127};
}

struct QuantTraits {
  DType dtype;  // the GGUF number
  std::string_view name;
  int64_t block_length;  // elements; 1 of floats
  int64_t block_bytes;
  void (*multiply)(const ProductTask& task, CpuPath path);

  // Of quantised types only:
  int64_t part_length = 0;  // elements that share a scale, 32 or 16
  size_t unit_at = 0;       // byte of the block where its f16 unit stands
  bool minima = false;      // the f16 unit of minima follows it; each part has a minimum
  int bits = 0;             // of a code as packed: 8, or 4 and up to 2 on top of them
  int offset = 0;           // what is added to a value to store it unsigned
  Int8Form activations = Int8Form::kFine;
  void (*read)(const std::byte* source, QuantBlock* block) = nullptr;
  // Optional, where the file's order allows more than a value at a time: writes one row's block to
  // every 16th of `quads` (panel.h). Without it `read` is used.
  void (*pack)(const std::byte* source, uint32_t* quads) = nullptr;

  constexpr bool quantised() const { return part_length != 0; }
  // A block has a unit for several parts with integer scales of their own.
  constexpr bool super_blocks() const { return block_length > part_length && quantised(); }
  constexpr int top_bits() const { return bits == 8 ? 0 : bits - 4; }  // stored apart from nibbles
  constexpr int ValueOf(uint8_t code) const { return code - offset; }
};

// F32, F16, and BF16 where the CPU has no products of it: float_matmul.cc.
void MultiplyFloat(const ProductTask& task, CpuPath path);
// quantised_blocks.cc, quantised_blocks_5.cc, quantised_k.cc.
void MultiplyQ8_0(const ProductTask& task, CpuPath path);
void MultiplyQ4_0(const ProductTask& task, CpuPath path);
void MultiplyQ4_1(const ProductTask& task, CpuPath path);
void MultiplyQ5_0(const ProductTask& task, CpuPath path);
void MultiplyQ5_1(const ProductTask& task, CpuPath path);
void MultiplyQ4_K(const ProductTask& task, CpuPath path);
void MultiplyQ5_K(const ProductTask& task, CpuPath path);
void MultiplyQ6_K(const ProductTask& task, CpuPath path);
// panel.cc
void PackQ8_0(const std::byte* source, uint32_t* quads);
void PackQ4_0(const std::byte* source, uint32_t* quads);
void PackQ4_1(const std::byte* source, uint32_t* quads);

inline constexpr std::array<QuantTraits, 11> kQuantTraits = {{
    {DType::kF32, "F32", 1, 4, MultiplyFloat},
    {DType::kF16, "F16", 1, 2, MultiplyFloat},
    {DType::kBF16, "BF16", 1, 2, MultiplyFloat},
    {.dtype = DType::kQ8_0,
     .name = "Q8_0",
     .block_length = 32,
     .block_bytes = sizeof(BlockQ8_0),
     .multiply = MultiplyQ8_0,
     .part_length = 32,
     .bits = 8,
     .offset = 128,
     .read = ReadQ8_0,
     .pack = PackQ8_0},
    {.dtype = DType::kQ4_0,
     .name = "Q4_0",
     .block_length = 32,
     .block_bytes = sizeof(BlockQ4_0),
     .multiply = MultiplyQ4_0,
     .part_length = 32,
     .bits = 4,
     .offset = 8,
     .activations = Int8Form::kWinograd,
     .read = ReadQ4_0,
     .pack = PackQ4_0},
    {.dtype = DType::kQ4_1,
     .name = "Q4_1",
     .block_length = 32,
     .block_bytes = sizeof(BlockQ4_1),
     .multiply = MultiplyQ4_1,
     .part_length = 32,
     .minima = true,
     .bits = 4,
     .read = ReadQ4_1,
     .pack = PackQ4_1},
    {.dtype = DType::kQ5_0,
     .name = "Q5_0",
     .block_length = 32,
     .block_bytes = sizeof(BlockQ5_0),
     .multiply = MultiplyQ5_0,
     .part_length = 32,
     .bits = 5,
     .offset = 16,
     .read = ReadQ5_0},
    {.dtype = DType::kQ5_1,
     .name = "Q5_1",
     .block_length = 32,
     .block_bytes = sizeof(BlockQ5_1),
     .multiply = MultiplyQ5_1,
     .part_length = 32,
     .minima = true,
     .bits = 5,
     .read = ReadQ5_1},
    {.dtype = DType::kQ4_K,
     .name = "Q4_K",
     .block_length = 256,
     .block_bytes = sizeof(BlockQ4_K),
     .multiply = MultiplyQ4_K,
     .part_length = 32,
     .minima = true,
     .bits = 4,
     .read = ReadQ4_K},
    {.dtype = DType::kQ5_K,
     .name = "Q5_K",
     .block_length = 256,
     .block_bytes = sizeof(BlockQ5_K),
     .multiply = MultiplyQ5_K,
     .part_length = 32,
     .minima = true,
     .bits = 5,
     .read = ReadQ5_K},
    {.dtype = DType::kQ6_K,
     .name = "Q6_K",
     .block_length = 256,
     .block_bytes = sizeof(BlockQ6_K),
     .multiply = MultiplyQ6_K,
     .part_length = 16,
     .unit_at = offsetof(BlockQ6_K, unit),
     .bits = 6,
     .offset = 32,
     .read = ReadQ6_K},
}};

// What the products take for granted: minima have no offset to take off.
static_assert(std::all_of(kQuantTraits.begin(), kQuantTraits.end(), [](const QuantTraits& type) {
  return !(type.minima && type.offset != 0);
}));

// The type's row, 0 .. kQuantTraits.size() - 1.
constexpr size_t RowOf(DType dtype) {
  for (size_t row = 0; row < kQuantTraits.size(); ++row) {
    if (kQuantTraits[row].dtype == dtype) return row;
  }
  CheckFailed("a dtype with a row of QuantTraits", __FILE__, __LINE__);
}
constexpr const QuantTraits& TraitsOf(DType dtype) { return kQuantTraits[RowOf(dtype)]; }

}  // namespace waferline::kernels
