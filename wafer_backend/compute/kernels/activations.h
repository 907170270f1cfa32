// Activations laid out as the products read them: rows in groups of up to kMaxColumns, the group's
// rows interleaved, so that one multiplication with 16 weight rows takes the next 4 bytes of each.
// (A row of activations is a column of the product, hence the names.) Inner part of matrix.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/cpu.h"
#include "wafer_backend/compute/kernels/dtype.h"

namespace waferline::kernels {

inline constexpr int64_t kMaxColumns = 12;
inline constexpr int64_t kActivationBlock = 32;  // columns whose integer sum is exact in one go

// How activations become integers, -largest .. largest, for weights of a type.
struct Int8Scale {
  // Columns of a row that share a scale. It is the row's scale times a power of two: going from one
  // to the next is added to an exponent, beside the multipliers that products keep busy.
  int64_t columns;
  int largest;
};
// For Q4_0 a weight of four bits can be added to an activation within a byte, and scales change
// less often, as Winograd's products (winograd-inl.h) need. Its own rounding is far coarser.
constexpr Int8Scale Int8ScaleFor(DType dtype) {
  return dtype == DType::kQ4_0 ? Int8Scale{128, 120} : Int8Scale{64, 127};
}
inline constexpr int64_t kPartColumns = 128;  // parts of rows are filled in multiples of this

// Which forms a call needs; each costs time and memory.
struct ActivationForms {
  bool f32 = false;
  bool bf16 = false;
  bool int8 = false;        // for all quantised weights but Q4_0
  bool int8_q4_0 = false;   // for Q4_0
  bool start_q8_0 = false;  // what the integer sums of each dtype start from, because its
  bool start_q4_0 = false;  // weights are stored with an offset: -offset * sum of q
  bool start_q6_k = false;
  bool start_winograd = false;  // of Q4_0 under Winograd's products
  bool sums = false;            // for formats with minima
};

// J rows as integers by an Int8Scale.
struct Int8Rows {
  int8_t* q = nullptr;     // [cols / 4][J][4]
  float* ratio = nullptr;  // [ceil(cols / columns)][J]: scale of those before / scale of these,
                           // in the path's form (PowerOfTwo, sixteen-inl.h)
  float* last_scale = nullptr;  // [J]: of the last columns
};

// One group of J = `count` rows. Arrays that were not asked for are null.
struct ColumnGroup {
  int64_t count = 0;
  float* f32 = nullptr;      // [cols][J]
  uint16_t* bf16 = nullptr;  // [ceil(cols / 2)][J][2], zero beyond cols
  Int8Rows int8;
  Int8Rows int8_q4_0;
  int32_t* start_q8_0 = nullptr;      // [cols / 32][J]
  int32_t* start_q4_0 = nullptr;      // [cols / 32][J]
  int32_t* start_q6_k = nullptr;      // [cols / 16][J]
  int32_t* start_winograd = nullptr;  // [cols / 32][J]
  float* sums = nullptr;              // [cols / 32][J]: sum of int8.q
};

// How n rows fall into groups: as few as possible, as even as possible, so that no group's work is
// dominated by loading weights.
struct ColumnPlan {
  int64_t n;
  int64_t groups() const { return (n + kMaxColumns - 1) / kMaxColumns; }
  int64_t first(int64_t group) const { return n * group / groups(); }
  int64_t count(int64_t group) const { return first(group + 1) - first(group); }
};

// Memory for one group of the largest size, and its arrays laid over it (64-byte aligned).
Bytes GroupBytes(const ActivationForms& forms, int64_t cols);
ColumnGroup LayOutGroup(const ActivationForms& forms, int64_t cols, int64_t count,
                        std::byte* memory);

// Fills columns [first, end) of the group from its `count` rows, x: f32 [count][cols]; both are
// multiples of kPartColumns, or end is cols. bf16: nearest even. Integers: a row's scale is its
// largest magnitude / Int8Scale::largest; each Int8Scale::columns are divided by that and by the
// least power of two that leaves them within largest + 0.5, and rounded to nearest even; cols is a
// multiple of 32.
struct ColumnPart {
  int64_t first;
  int64_t end;
};
void FillGroup(const float* x, int64_t cols, ColumnPart part, const ColumnGroup& group,
               CpuPath path);

}  // namespace waferline::kernels
