// Activations laid out as the products read them: rows in groups of up to kMaxColumns, the group's
// rows interleaved, so that one multiplication with 16 weight rows takes the next 4 bytes of each.
// (A row of activations is a column of the product, hence the names.) Inner part of matrix.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/cpu.h"

namespace waferline::kernels {

inline constexpr int64_t kMaxColumns = 12;
inline constexpr int64_t kActivationBlock = 32;

// Which forms a call needs; each costs time and memory.
struct ActivationForms {
  bool f32 = false;
  bool bf16 = false;
  bool int8 = false;        // q, scale
  bool start_q8_0 = false;  // what the integer sums of each dtype start from, because its
  bool start_q4_0 = false;  // weights are stored with an offset: -offset * sum of q
  bool start_q6_k = false;
  bool sums = false;  // for formats with minima
};

// One group of J = `count` rows. Arrays that were not asked for are null.
struct ColumnGroup {
  int64_t count = 0;
  float* f32 = nullptr;           // [cols][J]
  uint16_t* bf16 = nullptr;       // [ceil(cols / 2)][J][2], zero beyond cols
  int8_t* q = nullptr;            // [cols / 4][J][4], -127 .. 127
  float* scale = nullptr;         // [cols / 32][J]: value = scale * q
  int32_t* start_q8_0 = nullptr;  // [cols / 32][J]
  int32_t* start_q4_0 = nullptr;  // [cols / 32][J]
  int32_t* start_q6_k = nullptr;  // [cols / 16][J]
  float* sums = nullptr;          // [cols / 32][J]: scale * sum of q
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

// Fills the group from `count` rows, x: f32 [count][cols]. int8: each block of 32 columns is scaled
// by its largest magnitude / 127 and rounded to nearest even. bf16: nearest even. cols is a
// multiple of 32 if an int8 form is asked for.
void FillGroup(const float* x, int64_t cols, const ColumnGroup& group, CpuPath path);

}  // namespace waferline::kernels
