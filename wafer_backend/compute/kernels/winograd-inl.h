// Winograd's inner products: one multiplication for two weights of four bits. With w as stored,
// value + o in 0 .. 15, and x in -120 .. 120 (Int8Form::kWinograd, kFineWinograd) both factors fit
// a byte:
//
//   (w0 - o) x0 + (w1 - o) x1  =  (w0 + 120 + x1) (w1 - 8 + x0)     0 .. 255 times -128 .. 127
//                                 - (w0 + 120) (w1 - 8)             summed once for all activations
//                                 - x0 (x1 + 120 + o) + (8 - o) x1  summed once for all weights
//
// All exact, so a block's sum is the same integer as without. Additions have execution units of
// their own, and half the multiplications go: 1.1 times as fast in all, once enough rows of
// activations share the unpacking of the weights.
//
// S. Winograd, "A New Algorithm for Inner Product", IEEE Trans. Computers C-17 (1968), p. 693.
// Inner part of quantised_blocks.cc and activations.cc; for AVX-512 only.
#if defined(WAFERLINE_WINOGRAD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_WINOGRAD_INL_H
#undef WAFERLINE_WINOGRAD_INL_H
#else
#define WAFERLINE_WINOGRAD_INL_H
#endif

#include <cstdint>
#include <type_traits>

#include "wafer_backend/compute/kernels/products.h"
#include "wafer_backend/compute/kernels/quant_traits.h"
#include "wafer_backend/compute/kernels/quantised_weights-inl.h"
#include "wafer_backend/compute/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3

// Of a block's four pairs of quads those that are multiplied so; the last is left as it is, which
// keeps both kinds of units about equally busy (with two or four pairs: 0.97 times as fast).
inline constexpr int kWinogradPairs = 3;

template <DType kDType>
struct WinogradWeights {
  static constexpr bool kVnni = true;
  static constexpr const QuantTraits& kTraits = TraitsOf(kDType);
  static constexpr bool kHalves = false;
  static constexpr bool kMinima = kTraits.minima;
  static constexpr int kPairs = kWinogradPairs;
  static constexpr int64_t kScaleColumns = ScaleOf(kTraits.activations).columns;
  using Block = std::conditional_t<kMinima, WinogradBlockWithMin, WinogradBlock>;
  const Block* blocks;

  template <int t>
  HWY_INLINE U8x64 Quad(int64_t block) const {
    return LoadBytes(blocks[block].values[t]);
  }
  HWY_INLINE I32x16 Start(int64_t block) const { return LoadI32(blocks[block].start); }
  HWY_INLINE F32x16 Scale(int64_t block, int) const { return LoadF32(blocks[block].scale); }
  HWY_INLINE F32x16 Min(int64_t block, int) const { return LoadF32(blocks[block].min); }
};

template <int t, DType kDType>
HWY_INLINE I32x16 UnpackPair(const PackedWeights<kDType, false>& w, int64_t block, I32x16 sum,
                             WinogradBlock* out) {
  U8x64 low = w.template Quad<2 * t>(block);
  U8x64 high = w.template Quad<2 * t + 1>(block);
  if constexpr (t < kWinogradPairs) {
    low = AddBytes(low, BroadcastByte(120));
    high = AddBytes(high, BroadcastByte(-8));
    sum = DotQuad(sum, low, high);
  }
  StoreBytes(low, out->values[2 * t]);
  StoreBytes(high, out->values[2 * t + 1]);
  return sum;
}

template <DType kDType>
HWY_NOINLINE void UnpackWinograd(const PackedWeights<kDType, false>& w, int64_t blocks,
                                 typename WinogradWeights<kDType>::Block* out) {
  const int32_t zero = 0;
  for (int64_t block = 0; block < blocks; ++block, ++out) {
    I32x16 sum = Broadcast(&zero);
    sum = UnpackPair<0>(w, block, sum, out);
    sum = UnpackPair<1>(w, block, sum, out);
    sum = UnpackPair<2>(w, block, sum, out);
    sum = UnpackPair<3>(w, block, sum, out);
    Store(Negate(sum), out->start);
    Store(w.Scale(block, 0), out->scale, kPanelRows);
    if constexpr (TraitsOf(kDType).minima) Store(w.Min(block, 0), out->min, kPanelRows);
  }
}

// start[j] = what sums of a block start from on behalf of the activations. q: i8 [8][count][4].
template <int kOffset>
HWY_INLINE void FillWinogradStart(const int8_t* q, int64_t count, int32_t* start) {
  const auto quad = [&](int t) HWY_ATTR { return LoadQuads(q + t * count * 4, count); };
  const int32_t zero = 0;
  I32x16 sum = Broadcast(&zero), minus = sum;
  for (int t = 0; t < 8; t += 2) {
    const U8x64 x0 = quad(t), x1 = quad(t + 1);
    if (t < 2 * kWinogradPairs) {
      minus = DotQuad(minus, AddBytes(x1, BroadcastByte(120 + kOffset)), x0);
      if constexpr (kOffset < 8) sum = DotQuad(sum, BroadcastByte(8 - kOffset), x1);
    } else if constexpr (kOffset > 0) {
      minus = DotQuad(minus, BroadcastByte(kOffset), x0);
      minus = DotQuad(minus, BroadcastByte(kOffset), x1);
    }
  }
  Store(Add(sum, Negate(minus)), start, count);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
