// Activations laid out as the products read them: rows in groups of up to kMaxColumns, the group's
// rows interleaved, so that one multiplication with 16 weight rows takes the next 4 bytes of each.
// (A row of activations is a column of the product, hence the names.) Inner part of matrix.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/cpu.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {

inline constexpr int64_t kMaxColumns = 12;
inline constexpr int64_t kActivationBlock = 32;  // columns whose integer sum is exact in one go

inline constexpr int64_t kPartColumns = 128;  // parts of rows are filled in multiples of this

// Which forms a call needs; each costs time and memory.
struct ActivationForms {
  bool f32 = false;
  bool int16 = false;
  struct Int8 {
    bool q = false;
    bool wide = false;            // for QuantTraits::wide() on AVX2
    bool start_winograd = false;  // instead of `start` of weights under Winograd's products
    bool sums = false;            // for types with minima in parts of 32
    bool half_sums = false;       // for those in parts of 16
  };
  std::array<Int8, kInt8Forms> int8{};            // [Int8Form]
  std::array<bool, kQuantTraits.size()> start{};  // [RowOf(dtype)]
};

// J rows as integers of 16 bits.
struct Int16Rows {
  int16_t* q = nullptr;    // [cols / 2, in whole blocks][J][2], zero beyond cols
  float* scale = nullptr;  // [ceil(cols / 128)][J]
};

// J rows as integers of an Int8Form.
struct Int8Rows {
  int8_t* q = nullptr;          // [cols / 4][J][4]
  int16_t* wide = nullptr;      // the same; the four columns in the order 0, 2, 1, 3
  float* ratio = nullptr;       // [ceil(cols / columns)][J]: scale of the columns before / of these
  float* last_scale = nullptr;  // [J]: of the last columns
  int32_t* start_winograd = nullptr;  // [cols / 32][J]
  float* sums = nullptr;              // [cols / 32][J]: sum of q
  float* half_sums = nullptr;         // [cols / 16][J]
};

// One group of J = `count` rows. Arrays that were not asked for are null.
struct ColumnGroup {
  int64_t count = 0;
  float* f32 = nullptr;  // [cols][J]
  Int16Rows int16;
  std::array<Int8Rows, kInt8Forms> int8;  // [Int8Form]
  // What the integer sums of weights that are stored with an offset start from: -offset * sum of q,
  // [cols / part_length][J]. [RowOf(dtype)]
  std::array<int32_t*, kQuantTraits.size()> start{};
};

// How n rows fall into groups: as few as possible, as even as possible, so that no group's work is
// dominated by loading weights.
struct ColumnPlan {
  int64_t n;
  int64_t groups() const { return (n + kMaxColumns - 1) / kMaxColumns; }
  int64_t first(int64_t group) const { return n * group / groups(); }
  int64_t count(int64_t group) const { return first(group + 1) - first(group); }
};
// Rows in the smallest group when n rows fall into `groups`: n is more than groups - 1 full ones.
constexpr int64_t MinGroupColumns(int64_t groups) {
  return (kMaxColumns * (groups - 1) + 1) / groups;
}

// Lays the arrays of `group` (its count is set, the rest null) over memory, 64-byte aligned;
// returns what they take. Without memory they stay null.
Bytes LayOutGroup(const ActivationForms& forms, int64_t cols, std::byte* memory,
                  ColumnGroup* group);
Bytes GroupBytes(const ActivationForms& forms, int64_t cols);  // of a group of the largest size

// Fills columns [first, end) of the group from its `count` rows, x: f32 [count][cols]; both are
// multiples of kPartColumns, or end is cols. Integers of a byte: each Int8Scale::columns of a row
// are divided by their largest magnitude / Int8Scale::largest, and rounded to nearest even; cols is
// a multiple of 32. Of 16 bits: int16_form.h.
struct ColumnPart {
  int64_t first;
  int64_t end;
};
void FillGroup(const float* x, int64_t cols, ColumnPart part, const ColumnGroup& group,
               CpuPath path);

}  // namespace waferline::kernels
