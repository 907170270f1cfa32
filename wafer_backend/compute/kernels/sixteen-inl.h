// Sixteen lanes, one for each row of a panel, in every CPU path. Lane i of a result depends on lane
// i of the arguments only, so an output never depends on its neighbours (law 4). Inner part of the
// kernels; compiled once for each Highway target, which chooses the file:
//
//   sixteen/avx512-inl.h    one register
//   sixteen/avx2-inl.h      two registers
//   sixteen/portable-inl.h  an array
//
// Each file defines
//
//   F32x16, I32x16  a float or int32 a lane
//   U8x64           four bytes a lane ("quad")
//   kTileColumns    rows of activations whose sums fit the registers with what a step needs, for
//                   one panel of weights; kTilePanels panels share them
//   DotQuad         the product that all quantised weights go through (AVX2: MulPairs, WideQuad)
//   DotPairs        that of F16 and BF16, integers of 16 bits (int16_form.h)
#if defined(WAFERLINE_SIXTEEN_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_SIXTEEN_INL_H
#undef WAFERLINE_SIXTEEN_INL_H
#else
#define WAFERLINE_SIXTEEN_INL_H
#endif

#include <cstdint>

#include "hwy/highway.h"

#if HWY_TARGET == HWY_AVX3
#include "wafer_backend/compute/kernels/sixteen/avx512-inl.h"
#elif HWY_TARGET == HWY_AVX2
#include "wafer_backend/compute/kernels/sixteen/avx2-inl.h"
#else
#include "wafer_backend/compute/kernels/sixteen/portable-inl.h"
#endif

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// The bit field `mask << kFrom` of each byte, moved to start at bit kTo. Fields stay in their byte.
template <uint8_t kMask, int kFrom, int kTo>
HWY_INLINE U8x64 MoveBits(U8x64 a) {
  const U8x64 field = And(a, static_cast<uint8_t>(kMask << kFrom));
  if constexpr (kFrom < kTo) {
    return ShiftLeft<kTo - kFrom>(field);
  } else if constexpr (kFrom > kTo) {
    return ShiftRight<kFrom - kTo>(field);
  } else {
    return field;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
