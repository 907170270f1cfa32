// What becomes the largest integer where rows of activations become integers. Inner part of
// activations.cc; compiled once for each Highway target. All give the same bits: largest values do
// not depend on the order, and the sums have theirs.
#if defined(WAFERLINE_LARGEST_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_LARGEST_INL_H
#undef WAFERLINE_LARGEST_INL_H
#else
#define WAFERLINE_LARGEST_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The largest magnitude. count is a multiple of 32.
HWY_INLINE float LargestMagnitude(const float* x, int64_t count) {
  const hn::CappedTag<float, 16> d;
  auto largest = hn::Zero(d);
  for (int64_t i = 0; i < count; i += static_cast<int64_t>(hn::Lanes(d))) {
    largest = hn::Max(largest, hn::Abs(hn::LoadU(d, x + i)));
  }
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

// The largest sum of those of one sign among four columns (kLargestFour). count is as above.
HWY_INLINE float LargestFour(const float* x, int64_t count) {
  const hn::CappedTag<float, 4> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto zero = hn::Zero(d);
  auto largest = zero, smallest = zero;
  for (int64_t block = 0; block < count; block += 32) {
    HWY_ALIGN float above[16], below[16];  // of two neighbours
    for (int64_t i = 0; i < 16; i += lanes) {
      hn::Vec<decltype(d)> even, odd;
      hn::LoadInterleaved2(d, x + block + 2 * i, even, odd);
      hn::Store(hn::Add(hn::Max(even, zero), hn::Max(odd, zero)), d, above + i);
      hn::Store(hn::Add(hn::Min(even, zero), hn::Min(odd, zero)), d, below + i);
    }
    for (int64_t i = 0; i < 16; i += 4 * lanes) {
      hn::Vec<decltype(d)> a, b, c, e;
      hn::LoadInterleaved4(d, above + i, a, b, c, e);
      largest = hn::Max(largest, hn::Max(hn::Add(a, c), hn::Add(b, e)));
      hn::LoadInterleaved4(d, below + i, a, b, c, e);
      smallest = hn::Min(smallest, hn::Min(hn::Add(a, c), hn::Add(b, e)));
    }
  }
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(largest, hn::Neg(smallest))));
}

// What becomes the largest integer, and in kFineFours kLargestFour too.
template <Int8Form kForm>
HWY_INLINE float Largest(const float* x, int64_t count) {
  const float largest = LargestMagnitude(x, count);
  if constexpr (kForm != Int8Form::kFineFours) return largest;
  constexpr float kOfFour = ScaleOf(kForm).largest / static_cast<float>(kLargestFour);
  return std::max(largest, LargestFour(x, count) * kOfFour);
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
