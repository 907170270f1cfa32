// The integer part of a quantised tile (quantised_tile-inl.h): products of the quads of a block's
// part, for kPanels panels and kColumns rows of activations. VNNI multiplies a quad at once, AVX2
// without it through sums of 16 bits.
//
// Compiled once for each Highway target.
#if defined(WAFERLINE_QUANTISED_DOTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_QUANTISED_DOTS_INL_H
#undef WAFERLINE_QUANTISED_DOTS_INL_H
#else
#define WAFERLINE_QUANTISED_DOTS_INL_H
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/activations.h"
#include "wafer_backend/compute/kernels/panel.h"
#include "wafer_backend/compute/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// What one pass over the panels reads apart from the weights, and where it writes.
struct TilePass {
  int64_t blocks;   // columns / 32
  int64_t stride;   // J of the group; the tile is part of it
  const int8_t* q;  // of the tile's first row, as the arrays below; Int8Rows::wide of types that
                    // are wide() on AVX2
  const float* ratio;
  const float* last_scale;
  const int32_t* start;  // null: sums start from 0; under kPairs from the weights' start too
  const float* sums;     // for minima: of the weights' parts
  float* y;              // [tile rows][y_stride], at the first panel's first row
  int64_t y_stride;
  std::array<int64_t, kTilePanels> lanes;  // rows of each panel that exist
  const std::byte* ahead;  // memory to be fetched meanwhile: `ahead_lines` lines each scale
  int64_t ahead_lines;
};

// dot[p][j] += products of a quad of panel p and of column j. With one panel the instruction
// broadcasts the four bytes of activations itself; with two they are broadcast once for both.
template <int kQuad, int kPanels, int kColumns, class Weights>
HWY_INLINE void AddQuad(const Weights (&w)[kPanels], int64_t block, const int8_t* x,
                        I32x16 (&dot)[kPanels][kColumns]) {
  U8x64 quad[kPanels];
#pragma GCC unroll 2
  for (int p = 0; p < kPanels; ++p) quad[p] = w[p].template Quad<kQuad>(block);
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
    if constexpr (kPanels == 1) {
      dot[0][j] = DotQuad(dot[0][j], quad[0], x + j * 4);
    } else {
      const U8x64 xs = BroadcastQuad(x + j * 4);
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) dot[p][j] = DotQuad(dot[p][j], quad[p], xs);
    }
  }
}

// The same for quads kQuad and kQuad + 1 in half the products (winograd-inl.h).
template <int kQuad, int kPanels, int kColumns, class Weights>
HWY_INLINE void AddPair(const Weights (&w)[kPanels], int64_t block, const int8_t* x, int64_t stride,
                        I32x16 (&dot)[kPanels][kColumns]) {
  U8x64 low[kPanels], high[kPanels];
#pragma GCC unroll 2
  for (int p = 0; p < kPanels; ++p) {
    low[p] = w[p].template Quad<kQuad>(block);
    high[p] = w[p].template Quad<kQuad + 1>(block);
  }
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
    const U8x64 x_low = BroadcastQuad(x + j * 4);
    const U8x64 x_high = BroadcastQuad(x + stride * 4 + j * 4);
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      dot[p][j] = DotQuad(dot[p][j], AddBytes(low[p], x_high), AddBytes(high[p], x_low));
    }
  }
}

// The next quad's activations. (The compiler would rather keep a pointer for each of a block's
// eight quads, and run out of registers.)
HWY_INLINE const int8_t* NextQuad(const int8_t* x, int64_t stride) {
  x += stride * 4;
  asm("" : "+r"(x));
  return x;
}

// Returns where the activations behind these quads lie.
template <int kFirst, int kPanels, int kColumns, class Weights, int... t>
HWY_INLINE const int8_t* AddQuads(const Weights (&w)[kPanels], int64_t block, const TilePass& pass,
                                  const int8_t* x, I32x16 (&dot)[kPanels][kColumns],
                                  std::integer_sequence<int, t...>) {
  ((AddQuad<kFirst + t>(w, block, x, dot), x = NextQuad(x, pass.stride)), ...);
  return x;
}

template <int kPanels, int kColumns, class Weights, int... t>
HWY_INLINE const int8_t* AddPairs(const Weights (&w)[kPanels], int64_t block, const TilePass& pass,
                                  const int8_t* x, I32x16 (&dot)[kPanels][kColumns],
                                  std::integer_sequence<int, t...>) {
  ((AddPair<2 * t>(w, block, x, pass.stride, dot), x = NextQuad(x, 2 * pass.stride)), ...);
  return x;
}

// dot[.][j] = products of the part's quads, a quad at a time.
template <int kHalf, int kPanels, int kColumns, class Weights>
HWY_INLINE const int8_t* DotByQuads(const Weights (&w)[kPanels], int64_t block,
                                    const TilePass& pass, const int8_t* x,
                                    I32x16 (&dot)[kPanels][kColumns]) {
  const int64_t part = Weights::kHalves ? block * 2 + kHalf : block;
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
    // Weights are stored with an offset, as VNNI wants them unsigned: a sum that starts from
    // -offset * sum(x) comes out as if they were not. Types with minima have no offset.
    const int32_t zero = 0;
    constexpr bool kFromZero = Weights::kMinima && Weights::kPairs == 0;
    const I32x16 start = Broadcast(kFromZero ? &zero : pass.start + part * pass.stride + j);
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      dot[p][j] = start;
      if constexpr (Weights::kPairs > 0) dot[p][j] = Add(start, w[p].Start(block));
    }
  }
  constexpr int kPaired = Weights::kPairs * 2;
  constexpr int kQuads = Weights::kHalves ? 4 : 8 - kPaired;
  if constexpr (Weights::kPairs > 0) {
    x = AddPairs(w, block, pass, x, dot, std::make_integer_sequence<int, Weights::kPairs>());
  }
  x = AddQuads<kHalf * 4 + kPaired>(w, block, pass, x, dot,
                                    std::make_integer_sequence<int, kQuads>());
  return x;
}

#if HWY_TARGET == HWY_AVX2

// dot[j] += products of a quad and of column j, for weights of 8 bits.
template <int kQuad, int kColumns, class Weights>
HWY_INLINE const int8_t* AddWide(const Weights& w, int64_t block, int64_t stride, const int8_t* x,
                                 I32x16 (&dot)[kColumns]) {
  const WideQuad quad(w.template Quad<kQuad>(block));
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) dot[j] = quad.Dot(x + j * 8, dot[j]);
  return NextQuad(x, 2 * stride);
}
template <int kFirst, int kColumns, class Weights, int... t>
HWY_INLINE const int8_t* AddAllWide(const Weights& w, int64_t block, int64_t stride,
                                    const int8_t* x, I32x16 (&dot)[kColumns],
                                    std::integer_sequence<int, t...>) {
  ((x = AddWide<kFirst + t>(w, block, stride, x, dot)), ...);
  return x;
}

// dot[j] = or += products of two quads and of column j, whose sums fit 16 bits.
template <int kQuad, bool kStart, int kColumns, class Weights>
HWY_INLINE const int8_t* AddTwo(const Weights& w, int64_t block, int64_t stride, const int8_t* x,
                                I32x16 (&dot)[kColumns]) {
  const U8x64 first = w.template Quad<kQuad>(block);
  const U8x64 second = w.template Quad<kQuad + 1>(block);
  const int8_t* next = NextQuad(x, stride);
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
    const I16x32 sums = Add(MulPairs(first, x + j * 4), MulPairs(second, next + j * 4));
    dot[j] = kStart ? AddPairs(sums) : InOrder(Add(dot[j], AddPairs(sums)));
  }
  return NextQuad(next, stride);
}
template <int kColumns, class Weights, int... t>
HWY_INLINE const int8_t* AddTwos(const Weights& w, int64_t block, int64_t stride, const int8_t* x,
                                 I32x16 (&dot)[kColumns], std::integer_sequence<int, t...>) {
  ((x = AddTwo<2 * t, t == 0>(w, block, stride, x, dot)), ...);
  return x;
}

// pairs[j] = or += products of a quad and of column j.
template <int kQuad, bool kFirst, int kColumns, class Weights>
HWY_INLINE const int8_t* AddToPairs(const Weights& w, int64_t block, int64_t stride,
                                    const int8_t* x, I16x32 (&pairs)[kColumns]) {
  const U8x64 bytes = w.template Quad<kQuad>(block);
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
    const I16x32 products = MulPairs(bytes, x + j * 4);
    pairs[j] = kFirst ? products : InOrder(Add(pairs[j], products));
  }
  return NextQuad(x, stride);
}
// dot[j] = or += products of the quads kFirst + t, whose sums of pairs fit 16 bits.
template <int kFirst, bool kStart, int kColumns, class Weights, int... t>
HWY_INLINE const int8_t* AddTogether(const Weights& w, int64_t block, int64_t stride,
                                     const int8_t* x, I32x16 (&dot)[kColumns],
                                     std::integer_sequence<int, t...>) {
  I16x32 pairs[kColumns];
  ((x = AddToPairs<kFirst + t, t == 0>(w, block, stride, x, pairs)), ...);
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
    dot[j] = kStart ? AddPairs(pairs[j]) : Add(dot[j], AddPairs(pairs[j]));
  }
  return x;
}
template <int kFirst, int kTogether, int kColumns, class Weights, int... group>
HWY_INLINE const int8_t* AddGroups(const Weights& w, int64_t block, int64_t stride, const int8_t* x,
                                   I32x16 (&dot)[kColumns], std::integer_sequence<int, group...>) {
  ((x = AddTogether<kFirst + group * kTogether, group == 0>(
        w, block, stride, x, dot, std::make_integer_sequence<int, kTogether>())),
   ...);
  return x;
}

// dot[.][j] = products of the part's quads. Without VNNI the products of two neighbouring bytes are
// 16-bit sums, and so are those of as many quads as cannot exceed 16 bits: they become 32-bit sums
// together. Weights of 8 bits are multiplied as 16, two columns a lane.
template <int kHalf, int kColumns, class Weights>
HWY_INLINE const int8_t* DotBySums(const Weights (&w)[1], int64_t block, const TilePass& pass,
                                   const int8_t* x, I32x16 (&dot)[1][kColumns]) {
  constexpr int kQuads = Weights::kHalves ? 4 : 8;
  constexpr int kTogether = std::min(QuadsTogether(Weights::kLargest), kQuads);
  constexpr int kFirst = kHalf * 4;
  if constexpr (Weights::kTraits.wide()) {
    static_assert(!Weights::kMinima && !Weights::kHalves);
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) {
      dot[0][j] = Broadcast(pass.start + block * pass.stride + j);
    }
    return AddAllWide<kFirst>(w[0], block, pass.stride, x, dot[0],
                              std::make_integer_sequence<int, kQuads>());
  } else {
    if constexpr (Weights::kTraits.paired()) {
      static_assert(!Weights::kHalves);
      x = AddTwos(w[0], block, pass.stride, x, dot[0], std::make_integer_sequence<int, 4>());
    } else {
      x = AddGroups<kFirst, kTogether>(w[0], block, pass.stride, x, dot[0],
                                       std::make_integer_sequence<int, kQuads / kTogether>());
    }
    if constexpr (!Weights::kMinima) {
      const int64_t part = Weights::kHalves ? block * 2 + kHalf : block;
      const int32_t* start = pass.start + part * pass.stride;
#pragma GCC unroll 12
      for (int j = 0; j < kColumns; ++j) dot[0][j] = Add(dot[0][j], Broadcast(start + j));
    }
    return x;
  }
}

#endif

// dot[.][j] = products of the part's quads.
template <int kHalf, int kPanels, int kColumns, class Weights>
HWY_INLINE const int8_t* DotPart(const Weights (&w)[kPanels], int64_t block, const TilePass& pass,
                                 const int8_t* x, I32x16 (&dot)[kPanels][kColumns]) {
#if HWY_TARGET == HWY_AVX2
  if constexpr (Weights::kVnni) {
    return DotByQuads<kHalf>(w, block, pass, x, dot);
  } else {
    return DotBySums<kHalf>(w, block, pass, x, dot);
  }
#else
  return DotByQuads<kHalf>(w, block, pass, x, dot);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
