#include "wafer_backend/compute/kernels/activations.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/activations.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <cstring>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/half.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Puts one block of one row into column `j` of the group.
HWY_INLINE void FillBlock(const float* x, int64_t block, int64_t j, const ColumnGroup& group) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<int8_t, decltype(d)> d8;
  const size_t lanes = hn::Lanes(d);
  auto largest = hn::Zero(d);
  for (size_t i = 0; i < 32; i += lanes) {
    largest = hn::Max(largest, hn::Abs(hn::LoadU(d, x + i)));
  }
  const float top = hn::GetLane(hn::MaxOfLanes(d, largest));
  const auto inverse = hn::Set(d, top > 0 ? 127.0f / top : 0.0f);
  HWY_ALIGN int8_t q[32];
  int32_t sums[2];
  for (size_t half = 0; half < 2; ++half) {
    auto sum = hn::Zero(di);
    for (size_t i = half * 16; i < half * 16 + 16; i += lanes) {
      const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), inverse));
      sum = hn::Add(sum, rounded);
      hn::Store(hn::DemoteTo(d8, rounded), d8, q + i);
    }
    sums[half] = hn::GetLane(hn::SumOfLanes(di, sum));
  }
  const int64_t count = group.count;
  for (int64_t quad = 0; quad < 8; ++quad) {
    std::memcpy(group.q + ((block * 8 + quad) * count + j) * 4, q + quad * 4, 4);
  }
  const int64_t at = block * count + j;
  const int32_t sum = sums[0] + sums[1];
  const float scale = top / 127.0f;
  group.scale[at] = scale;
  if (group.start_q8_0 != nullptr) group.start_q8_0[at] = -128 * sum;
  if (group.start_q4_0 != nullptr) group.start_q4_0[at] = -8 * sum;
  if (group.start_q6_k != nullptr) {
    group.start_q6_k[2 * block * count + j] = -32 * sums[0];
    group.start_q6_k[(2 * block + 1) * count + j] = -32 * sums[1];
  }
  if (group.sums != nullptr) group.sums[at] = scale * static_cast<float>(sum);
}

void FillGroup(const float* x, int64_t cols, const ColumnGroup& group) {
  const int64_t count = group.count;
  for (int64_t j = 0; j < count; ++j) {
    const float* row = x + j * cols;
    if (group.f32 != nullptr) {
      for (int64_t col = 0; col < cols; ++col) group.f32[col * count + j] = row[col];
    }
    if (group.bf16 != nullptr) {
      for (int64_t col = 0; col < cols; ++col) {
        group.bf16[(col / 2 * count + j) * 2 + col % 2] = Bf16FromFloat(row[col]);
      }
      if (cols % 2 != 0) group.bf16[(cols / 2 * count + j) * 2 + 1] = 0;
    }
    if (group.q != nullptr) {
      for (int64_t block = 0; block < cols / kActivationBlock; ++block) {
        FillBlock(row + block * kActivationBlock, block, j, group);
      }
    }
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
  arrays.Take(forms.int8, blocks * count, &group->scale);
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

void FillGroup(const float* x, int64_t cols, const ColumnGroup& group, CpuPath path) {
  WL_FOR_PATH(path, FillGroup)(x, cols, group);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
