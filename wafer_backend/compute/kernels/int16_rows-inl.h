// Rows of activations as integers of 16 bits (int16_form.h). Inner part of activations.cc; compiled
// once for each Highway target, all with the same bits: sums have an order.
#if defined(WAFERLINE_INT16_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_INT16_ROWS_INL_H
#undef WAFERLINE_INT16_ROWS_INL_H
#else
#define WAFERLINE_INT16_ROWS_INL_H
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/activations.h"
#include "wafer_backend/compute/kernels/int16_form.h"
#include "wafer_backend/compute/kernels/interleave-inl.h"
#include "wafer_backend/compute/kernels/largest-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Smaller values count as zero: far below the last bit of any sum that matters.
inline constexpr float kSmallestInt16Scale = 0x1p-100f;

// Of a block: i and i + 16 first, then i and i + 8, and so on.
HWY_INLINE float SumOfMagnitudes(const float* x) {
  const hn::CappedTag<float, 4> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float sum[16];
  for (int64_t i = 0; i < 16; i += lanes) {
    hn::Store(hn::Add(hn::Abs(hn::LoadU(d, x + i)), hn::Abs(hn::LoadU(d, x + i + 16))), d, sum + i);
  }
  for (int64_t half = 8; half >= 4; half /= 2) {
    for (int64_t i = 0; i < half; i += lanes) {
      hn::Store(hn::Add(hn::Load(d, sum + i), hn::Load(d, sum + i + half)), d, sum + i);
    }
  }
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

// Of `count` values, a multiple of 32. NaN if one of them is not finite.
HWY_INLINE float Int16Scale(const float* x, int64_t count) {
  float largest_sum = 0, all = 0;
  for (int64_t i = 0; i < count; i += kInt16Block) {
    const float sum = SumOfMagnitudes(x + i);
    largest_sum = std::max(largest_sum, sum);
    all += sum;
  }
  const float scale = std::max({largest_sum / kInt16LargestSum,
                                LargestMagnitude(x, count) / kInt16Largest, kSmallestInt16Scale});
  return scale + 0 * all;
}

// out = `count` values times `inverse`, rounded to nearest even.
HWY_INLINE void RoundToInt16(const float* x, float inverse, int64_t count, int16_t* out) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<int16_t, decltype(d)> d16;
  const auto factor = hn::Set(d, inverse);
  const auto no_fraction = hn::Set(d, 0x1.8p23f);
  for (int64_t i = 0; i < count; i += static_cast<int64_t>(hn::Lanes(d))) {
    const auto rounded = hn::Add(hn::Mul(hn::LoadU(d, x + i), factor), no_fraction);
    const auto integer = hn::Sub(hn::BitCast(di, rounded), hn::BitCast(di, no_fraction));
    hn::Store(hn::DemoteTo(d16, integer), d16, out + i);
  }
}

HWY_INLINE void FillInt16(const float* x, int64_t cols, ColumnPart part, const ColumnGroup& group) {
  const Int16Rows& rows = group.int16;
  if (rows.q == nullptr) return;
  for (int64_t col = part.first; col < part.end; col += kInt16ScaleColumns) {
    const int64_t count = std::min(kInt16ScaleColumns, part.end - col);
    const int64_t whole = Int16Blocks(count) * kInt16Block;
    HWY_ALIGN int16_t q[kMaxColumns][kInt16ScaleColumns];
    for (int64_t j = 0; j < group.count; ++j) {
      const float* from = x + j * cols + col;
      HWY_ALIGN float padded[kInt16ScaleColumns];
      if (count < whole) {
        std::fill(std::copy_n(from, count, padded), padded + whole, 0.0f);
        from = padded;
      }
      const float scale = Int16Scale(from, whole);
      rows.scale[col / kInt16ScaleColumns * group.count + j] = scale;
      if (std::isnan(scale)) {
        std::fill_n(q[j], whole, int16_t{0});
      } else {
        RoundToInt16(from, 1 / scale, whole, q[j]);
      }
    }
    Interleave(reinterpret_cast<const int8_t*>(q), sizeof(q[0]), whole * 2, group.count,
               reinterpret_cast<int8_t*>(rows.q + col * group.count));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
