#include "wafer_backend/compute/kernels/activations.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/activations.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <algorithm>
#include <cstring>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/half.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A row is summed in units of its current scale (quantised_matmul.cc), so that a sum meets the
// activations' scales once in 64 columns and not in every product. Scales below this count as
// it: what they leave out is far below the last bit of any sum that matters, and units never
// overflow.
inline constexpr float kSmallestScale = 0x1p-60f;

using Floats = hn::CappedTag<float, 16>;

HWY_INLINE float ScaleOf(const float* x, int64_t count) {
  const Floats d;
  auto largest = hn::Zero(d);
  for (int64_t i = 0; i < count; i += static_cast<int64_t>(hn::Lanes(d))) {
    largest = hn::Max(largest, hn::Abs(hn::LoadU(d, x + i)));
  }
  return std::max(hn::GetLane(hn::MaxOfLanes(d, largest)) / 127.0f, kSmallestScale);
}

// Puts one block of one row, times `inverse`, into column `j` of the group.
HWY_INLINE void FillBlock(const float* x, float inverse, int64_t block, int64_t j,
                          const ColumnGroup& group) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const hn::Rebind<int8_t, Floats> d8;
  const size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, inverse);
  HWY_ALIGN int8_t q[32];
  auto all = hn::Zero(di), first_half = hn::Zero(di);
  for (size_t i = 0; i < 32; i += lanes) {
    const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), factor));
    all = hn::Add(all, rounded);
    if (i + lanes == 16) first_half = all;
    hn::Store(hn::DemoteTo(d8, rounded), d8, q + i);
  }
  const int64_t count = group.count;
  for (int64_t quad = 0; quad < 8; ++quad) {
    std::memcpy(group.q + ((block * 8 + quad) * count + j) * 4, q + quad * 4, 4);
  }
  const int64_t at = block * count + j;
  const int32_t sum = hn::GetLane(hn::SumOfLanes(di, all));
  if (group.start_q8_0 != nullptr) group.start_q8_0[at] = -128 * sum;
  if (group.start_q4_0 != nullptr) group.start_q4_0[at] = -8 * sum;
  if (group.start_q6_k != nullptr) {
    const int32_t first = hn::GetLane(hn::SumOfLanes(di, first_half));
    group.start_q6_k[2 * block * count + j] = -32 * first;
    group.start_q6_k[(2 * block + 1) * count + j] = -32 * (sum - first);
  }
  if (group.sums != nullptr) group.sums[at] = static_cast<float>(sum);
}

void FillInt8(const float* row, int64_t cols, ColumnPart part, int64_t j,
              const ColumnGroup& group) {
  float before = part.first == 0 ? 0 : ScaleOf(row + part.first - kScaleColumns, kScaleColumns);
  for (int64_t col = part.first; col < part.end; col += kScaleColumns) {
    const int64_t count = std::min(kScaleColumns, part.end - col);
    const float scale = ScaleOf(row + col, count);
    group.ratio[col / kScaleColumns * group.count + j] = before / scale;
    for (int64_t at = col; at < col + count; at += kActivationBlock) {
      FillBlock(row + at, 1.0f / scale, at / kActivationBlock, j, group);
    }
    before = scale;
  }
  if (part.end == cols) group.last_scale[j] = before;
}

void FillBf16(const float* row, ColumnPart part, int64_t j, const ColumnGroup& group) {
  for (int64_t col = part.first; col < part.end; col += kScaleColumns) {
    const int64_t count = std::min(kScaleColumns, part.end - col);
    uint16_t rounded[kScaleColumns + 1];  // all in a loop of vectors, then scattered in pairs
    for (int64_t i = 0; i < count; ++i) rounded[i] = Bf16FromFloat(row[col + i]);
    rounded[count] = 0;
    for (int64_t i = 0; i < count; i += 2) {
      std::memcpy(group.bf16 + ((col + i) / 2 * group.count + j) * 2, rounded + i, 4);
    }
  }
}

void FillGroup(const float* x, int64_t cols, ColumnPart part, const ColumnGroup& group) {
  const int64_t count = group.count;
  for (int64_t j = 0; j < count; ++j) {
    const float* row = x + j * cols;
    if (group.f32 != nullptr) {
      for (int64_t col = part.first; col < part.end; ++col) group.f32[col * count + j] = row[col];
    }
    if (group.bf16 != nullptr) FillBf16(row, part, j, group);
    if (group.q != nullptr) FillInt8(row, cols, part, j, group);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {
namespace {

// Hands out consecutive 64-byte aligned arrays.
struct Arrays {
  std::byte* memory;
  int64_t used = 0;
  template <typename T>
  void Take(bool wanted, int64_t count, T** array) {
    if (!wanted) return;
    if (memory != nullptr) *array = reinterpret_cast<T*>(memory + used);
    used += (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
  }
};

int64_t LayOut(const ActivationForms& forms, int64_t cols, std::byte* memory, ColumnGroup* group) {
  const int64_t count = group->count;
  const int64_t blocks = cols / kActivationBlock;
  Arrays arrays{memory};
  arrays.Take(forms.f32, cols * count, &group->f32);
  arrays.Take(forms.bf16, (cols + 1) / 2 * 2 * count, &group->bf16);
  arrays.Take(forms.int8, cols * count, &group->q);
  arrays.Take(forms.int8, (cols + kScaleColumns - 1) / kScaleColumns * count, &group->ratio);
  arrays.Take(forms.int8, count, &group->last_scale);
  arrays.Take(forms.start_q8_0, blocks * count, &group->start_q8_0);
  arrays.Take(forms.start_q4_0, blocks * count, &group->start_q4_0);
  arrays.Take(forms.start_q6_k, 2 * blocks * count, &group->start_q6_k);
  arrays.Take(forms.sums, blocks * count, &group->sums);
  return arrays.used;
}

}  // namespace

Bytes GroupBytes(const ActivationForms& forms, int64_t cols) {
  ColumnGroup group{.count = kMaxColumns};
  return Bytes(LayOut(forms, cols, nullptr, &group));
}

ColumnGroup LayOutGroup(const ActivationForms& forms, int64_t cols, int64_t count,
                        std::byte* memory) {
  ColumnGroup group{.count = count};
  LayOut(forms, cols, memory, &group);
  return group;
}

void FillGroup(const float* x, int64_t cols, ColumnPart part, const ColumnGroup& group,
               CpuPath path) {
  WL_FOR_PATH(path, FillGroup)(x, cols, part, group);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
