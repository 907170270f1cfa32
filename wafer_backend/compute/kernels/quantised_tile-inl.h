// The register tile of quantised products: kPanels panels of 16 weight rows times kColumns rows of
// activations. For each block of 32 columns:
//
//   dot[p][j]  int32 x 16  products of 8 quads (4 columns each) of panel p with row j: one VNNI
//                          instruction multiplies a quad of all 16 weight rows (what AVX2 does:
//                          DotPart)
//   sum[p][j]  f32 x 16    += float(dot) * the 16 weight rows' scales
//
// All of them stay in registers for the whole pass. Weights stream through once a tile, activations
// are broadcast from the cache; so a tile of 12 rows reads a twelfth of the memory that 12 products
// of one row do. kColumns and kPanels are template arguments because arrays become registers only
// when every index is a constant.
//
// Inner part of quantised_matmul-inl.h; compiled once for each Highway target.
#if defined(WAFERLINE_QUANTISED_TILE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_QUANTISED_TILE_INL_H
#undef WAFERLINE_QUANTISED_TILE_INL_H
#else
#define WAFERLINE_QUANTISED_TILE_INL_H
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/activations.h"
#include "wafer_backend/compute/kernels/quantised_dots-inl.h"
#include "wafer_backend/compute/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

template <class Weights>
constexpr int64_t ScaleBlocks() {
  return Weights::kScaleColumns / kActivationBlock;
}

// The sums in units of the next scale of the activations.
template <int kPanels, int kColumns>
HWY_INLINE void ChangeScale(const float* ratio, F32x16 (&sum)[kPanels][kColumns]) {
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
    const F32x16 by = Broadcast(ratio + j);
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) sum[p][j] = Mul(sum[p][j], by);
  }
}

// sum[.][j] += float(dot of the part) * weight scale, in units of the activations' scale. That
// changes with the part if there is a `ratio`.
template <int kHalf, int kPanels, int kColumns, class Weights>
HWY_INLINE const int8_t* AddPart(const Weights (&w)[kPanels], int64_t block, const TilePass& pass,
                                 const int8_t* x, const float* ratio,
                                 F32x16 (&sum)[kPanels][kColumns]) {
  const int64_t part = Weights::kHalves ? block * 2 + kHalf : block;
  I32x16 dot[kPanels][kColumns];
  x = DotPart<kHalf>(w, block, pass, x, dot);
  if constexpr (kHalf == 0 && ScaleBlocks<Weights>() == 1) {
    ChangeScale(After(ratio, dot[0][0]), sum);
  }
#pragma GCC unroll 2
  for (int p = 0; p < kPanels; ++p) {
    const F32x16 scale = w[p].Scale(block, kHalf);
    if constexpr (Weights::kMinima) {
      const float* x_sum = pass.sums + part * pass.stride;
      const F32x16 min = w[p].Min(block, kHalf);
#pragma GCC unroll 12
      for (int j = 0; j < kColumns; ++j) {
        const F32x16 product = MulAdd(ToFloat(dot[p][j]), scale, sum[p][j]);
        sum[p][j] = NegMulAdd(min, Broadcast(x_sum + j), product);
      }
    } else {
#pragma GCC unroll 12
      for (int j = 0; j < kColumns; ++j) {
        sum[p][j] = MulAdd(ToFloat(dot[p][j]), scale, sum[p][j]);
      }
    }
  }
  return x;
}

// Sixteen rows of weights of each panel times kColumns rows of activations. Each output is summed
// block by block in rising order, in its own lane of its own register, in units of its row's
// current scale: where that changes the sum is converted, and the last scale makes it a number.
template <int kPanels, int kColumns, class Weights>
HWY_NOINLINE void MultiplyTile(const Weights* weights, const TilePass& pass_in) {
  constexpr int64_t kScaleBlocks = ScaleBlocks<Weights>();
  Weights w[kPanels];
#pragma GCC unroll 2
  for (int p = 0; p < kPanels; ++p) w[p] = weights[p];
  const TilePass pass = pass_in;
  F32x16 sum[kPanels][kColumns];
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      sum[p][j] = Zero();
      // Many groups fill more of y than the nearest cache keeps: it is fetched before it is stored.
      if constexpr (kPanels > 1) __builtin_prefetch(pass.y + j * pass.y_stride + p * kPanelRows);
    }
  }
  const std::byte* ahead = pass.ahead;
  const float* ratio = pass.ratio;
  const int8_t* x = pass.q;
  for (int64_t block = 0; block < pass.blocks; ++block) {
    if (block % kScaleBlocks == 0) {
      for (int64_t line = 0; line < pass.ahead_lines; ++line) {
        __builtin_prefetch(ahead, 0, 2);
        ahead += 64;
      }
      if constexpr (kScaleBlocks > 1) ChangeScale(ratio, sum);
    }
    x = AddPart<0>(w, block, pass, x, ratio, sum);
    if constexpr (Weights::kHalves) x = AddPart<1>(w, block, pass, x, ratio, sum);
    if ((block + 1) % kScaleBlocks == 0) ratio += pass.stride;
  }
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
    const F32x16 scale = Broadcast(pass.last_scale + j);
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      Store(Mul(sum[p][j], scale), pass.y + j * pass.y_stride + p * kPanelRows, pass.lanes[p]);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
