// Everything that the kernels need to know of each type of weights, one row a type. To add a
// quantised type: its block and reader (quant_block.h), its product (two lines in one of the
// quantised_*.cc), and its row here. Packing, unpacking, activations, tests and benches read
// the row; no other place names the type.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
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
  // An activation can be added to a weight of four bits within a byte, as Winograd's products
  // (winograd-inl.h) need.
  kFineWinograd,
  // The same, and scales change less often. Q4_0's own rounding is far coarser.
  kWinograd,
  // Products of four columns with weights of eight bits have a sum of 16 (kLargestFour), which is
  // all that AVX2 has for them.
  kFineFours,
};
inline constexpr size_t kInt8Forms = 4;

constexpr bool ForWinograd(Int8Form form) {
  return form == Int8Form::kFineWinograd || form == Int8Form::kWinograd;
}

struct Int8Scale {
  // Columns of a row that share a scale (activations.cc).
  int64_t columns;
  int largest;
};
constexpr Int8Scale ScaleOf(Int8Form form) {
  return {form == Int8Form::kWinograd ? 128 : 32, ForWinograd(form) ? 120 : 127};
}
// kFineFours: what those of one sign may add up to among columns i, i + 1, i + 4, i + 5 of eight (i
// is 0 or 2), before they are rounded.
inline constexpr int kLargestFour = 134;
// Of the weights that such activations are multiplied by.
constexpr int WinogradOffset(Int8Form form) { return form == Int8Form::kWinograd ? 8 : 0; }

enum class UnitForm : uint8_t {
  kF16,   // as in the file
  kE8M0,  // an exponent alone: in the file a byte, in a panel bf16
};

struct QuantTraits {
  DType dtype;  // the GGUF number
  std::string_view name;
  int64_t block_length;  // elements; 1 of floats
  int64_t block_bytes;
  void (*multiply)(const ProductTask& task, CpuPath path);

  // Of floats of 16 bits, multiplied as integers (int16_form.h): writes the first `count` columns
  // of one row's block of 32 to every 16th of `pairs`, which are zero, and returns its exponent.
  uint8_t (*pack_int16)(const std::byte* source, int64_t count, uint32_t* pairs) = nullptr;

  // Of quantised types only:
  int64_t part_length = 0;  // elements that share a scale, 32 or 16
  size_t unit_at = 0;       // byte of the block where its unit stands
  UnitForm unit = UnitForm::kF16;
  bool minima = false;             // the f16 unit of minima follows it; each part has a minimum
  bool nibble_scales = false;      // a part's scale and minimum share a byte, also in a panel
  int bits = 0;                    // of a code as packed: 8, or 2 or 4 and up to 2 on top of them
  int offset = 0;                  // what is added to a value to make it unsigned
  std::optional<CodeBook> values;  // of nibbles; without it a code is a value with its offset
  Int8Form activations = Int8Form::kFine;
  void (*read)(const std::byte* source, QuantBlock* block) = nullptr;
  // Optional, for blocks of codes and an f16 unit alone whose order allows more than a code at a
  // time: writes one row's block to every 16th of `quads` (panel.h). Without it `read` is used.
  void (*pack)(const std::byte* source, uint32_t* quads) = nullptr;

  constexpr bool int16() const { return pack_int16 != nullptr; }
  constexpr bool quantised() const { return part_length != 0; }
  // A block has a unit for several parts with integer scales of their own.
  constexpr bool super_blocks() const { return block_length > part_length && quantised(); }
  constexpr int low_bits() const { return bits == 8 ? 8 : bits >= 4 ? 4 : 2; }
  constexpr int top_bits() const { return bits - low_bits(); }  // of a code, stored apart
  // Of the values with their offset; the smallest is 0 or more.
  constexpr int largest() const {
    if (!values) return (1 << bits) - 1;
    return *std::max_element(values->begin(), values->end()) + offset;
  }
  constexpr int ValueOf(uint8_t code) const { return values ? (*values)[code] : code - offset; }
  // On AVX2, sums of the products of two quads may exceed 16 bits: factors are 16 bits wide there.
  constexpr bool wide() const { return largest() > 32767 / (4 * 127) && !paired(); }
  constexpr bool paired() const { return activations == Int8Form::kFineFours; }
};

// float_matmul.cc, int16_matmul.cc
void MultiplyF32(const ProductTask& task, CpuPath path);
void MultiplyInt16(const ProductTask& task, CpuPath path);
// quantised_*.cc
void MultiplyQ8_0(const ProductTask& task, CpuPath path);
void MultiplyQ4_0(const ProductTask& task, CpuPath path);
void MultiplyQ4_1(const ProductTask& task, CpuPath path);
void MultiplyQ5_0(const ProductTask& task, CpuPath path);
void MultiplyQ5_1(const ProductTask& task, CpuPath path);
void MultiplyIQ4_NL(const ProductTask& task, CpuPath path);
void MultiplyMXFP4(const ProductTask& task, CpuPath path);
void MultiplyQ2_K(const ProductTask& task, CpuPath path);
void MultiplyQ3_K(const ProductTask& task, CpuPath path);
void MultiplyQ4_K(const ProductTask& task, CpuPath path);
void MultiplyQ5_K(const ProductTask& task, CpuPath path);
void MultiplyQ6_K(const ProductTask& task, CpuPath path);
void MultiplyIQ4_XS(const ProductTask& task, CpuPath path);
// pack_int16.cc, panel.cc
uint8_t PackF16(const std::byte* source, int64_t count, uint32_t* pairs);
uint8_t PackBF16(const std::byte* source, int64_t count, uint32_t* pairs);
void PackQ8_0(const std::byte* source, uint32_t* quads);
void PackQ4_0(const std::byte* source, uint32_t* quads);

inline constexpr std::array<QuantTraits, 16> kQuantTraits = {{
    {DType::kF32, "F32", 1, 4, MultiplyF32},
    {DType::kF16, "F16", 1, 2, MultiplyInt16, PackF16},
    {DType::kBF16, "BF16", 1, 2, MultiplyInt16, PackBF16},
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
     .activations = Int8Form::kFineWinograd,
     .read = ReadQ4_1},
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
    {.dtype = DType::kIQ4_NL,
     .name = "IQ4_NL",
     .block_length = 32,
     .block_bytes = sizeof(BlockIQ4_NL),
     .multiply = MultiplyIQ4_NL,
     .part_length = 32,
     .bits = 4,
     .offset = 127,
     .values = kIq4Values,
     .activations = Int8Form::kFineFours,
     .read = ReadIQ4_NL},
    {.dtype = DType::kMXFP4,
     .name = "MXFP4",
     .block_length = 32,
     .block_bytes = sizeof(BlockMXFP4),
     .multiply = MultiplyMXFP4,
     .part_length = 32,
     .unit = UnitForm::kE8M0,
     .bits = 4,
     .offset = 12,
     .values = kE2M1Values,
     .read = ReadMXFP4},
    {.dtype = DType::kQ2_K,
     .name = "Q2_K",
     .block_length = 256,
     .block_bytes = sizeof(BlockQ2_K),
     .multiply = MultiplyQ2_K,
     .part_length = 16,
     .unit_at = offsetof(BlockQ2_K, unit),
     .minima = true,
     .nibble_scales = true,
     .bits = 2,
     .read = ReadQ2_K},
    {.dtype = DType::kQ3_K,
     .name = "Q3_K",
     .block_length = 256,
     .block_bytes = sizeof(BlockQ3_K),
     .multiply = MultiplyQ3_K,
     .part_length = 16,
     .unit_at = offsetof(BlockQ3_K, unit),
     .bits = 3,
     .offset = 4,
     .read = ReadQ3_K},
    {.dtype = DType::kQ4_K,
     .name = "Q4_K",
     .block_length = 256,
     .block_bytes = sizeof(BlockQ4_K),
     .multiply = MultiplyQ4_K,
     .part_length = 32,
     .minima = true,
     .bits = 4,
     .activations = Int8Form::kFineWinograd,
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
    {.dtype = DType::kIQ4_XS,
     .name = "IQ4_XS",
     .block_length = 256,
     .block_bytes = sizeof(BlockIQ4_XS),
     .multiply = MultiplyIQ4_XS,
     .part_length = 32,
     .bits = 4,
     .offset = 127,
     .values = kIq4Values,
     .activations = Int8Form::kFineFours,
     .read = ReadIQ4_XS},
}};

// What the products take for granted: minima have no offset to take off.
static_assert(std::all_of(kQuantTraits.begin(), kQuantTraits.end(), [](const QuantTraits& type) {
  return !(type.minima && type.offset != 0);
}));
static_assert(std::all_of(kQuantTraits.begin(), kQuantTraits.end(), [](const QuantTraits& type) {
  return !type.quantised() || !ForWinograd(type.activations) ||
         (type.bits == 4 && type.part_length == 32 &&
          type.offset == WinogradOffset(type.activations));
}));

static_assert(std::all_of(kQuantTraits.begin(), kQuantTraits.end(), [](const QuantTraits& type) {
  return !type.quantised() || !type.paired() || type.largest() * (kLargestFour + 2) <= 32767;
}));

inline constexpr uint8_t kNoRow = 255;
inline constexpr auto kRowOf = [] {
  std::array<uint8_t, 1 + static_cast<size_t>(DType::kMXFP4)> rows{};
  rows.fill(kNoRow);
  for (size_t row = 0; row < kQuantTraits.size(); ++row) {
    rows[static_cast<size_t>(kQuantTraits[row].dtype)] = static_cast<uint8_t>(row);
  }
  return rows;
}();

// The type's row, 0 .. kQuantTraits.size() - 1.
constexpr size_t RowOf(DType dtype) {
  const auto number = static_cast<size_t>(dtype);
  if (number < kRowOf.size() && kRowOf[number] != kNoRow) return kRowOf[number];
  CheckFailed("a dtype with a row of QuantTraits", __FILE__, __LINE__);
}
constexpr const QuantTraits& TraitsOf(DType dtype) { return kQuantTraits[RowOf(dtype)]; }

}  // namespace waferline::kernels
