// The two register tiles of attention: scores of some query rows against the keys of a page, and
// their weighted sums of its values. Positions (scores) and dimensions (values) stand in lanes, so
// nothing is summed across lanes. Inner part of attention.cc; compiled once for each Highway
// target.
#if defined(WAFERLINE_ATTENTION_TILES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_ATTENTION_TILES_INL_H
#undef WAFERLINE_ATTENTION_TILES_INL_H
#else
#define WAFERLINE_ATTENTION_TILES_INL_H
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <utility>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/kernels/half.h"
#include "wafer_backend/compute/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Lanes = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Lanes>;

// Rows of a tile at most, and its vectors: few rows take more vectors, so that there are always
// enough independent sums, and never more than registers.
inline constexpr int kTileRows = HWY_TARGET == HWY_AVX3 ? 12 : HWY_TARGET == HWY_AVX2 ? 6 : 2;
constexpr int VectorsOf(int rows) { return rows <= kTileRows / 2 ? 4 : 2; }

template <DType kDType>
HWY_INLINE Vector LoadKv(const uint16_t* p) {
  const Lanes d;
  if constexpr (kDType == DType::kF16) {
    const hn::Rebind<hwy::float16_t, Lanes> half;
    return hn::PromoteTo(d, hn::LoadU(half, reinterpret_cast<const hwy::float16_t*>(p)));
  } else {
    const hn::Rebind<hwy::bfloat16_t, Lanes> half;
    return hn::PromoteTo(d, hn::LoadU(half, reinterpret_cast<const hwy::bfloat16_t*>(p)));
  }
}

// out[r][c] = first_scale[r] * out[r][c] + sum of row[r][k] * column[k][c], k rising. Both tiles
// are this product: for keys k is the dimension, for values k is the position. Meanwhile what the
// next product reads comes from memory.
struct TileProduct {
  int64_t depth;  // values of k
  const float* rows;
  int64_t row_step;
  const uint16_t* columns;  // column c of k = 0 at c / 16 * block_step + c % 16
  int64_t block_step;
  int64_t column_step;  // from k to k + 1
  float* out;
  int64_t out_step;
  const float* first_scale = nullptr;  // [rows]; null: out starts from zero
  const uint16_t* ahead = nullptr;
  int64_t ahead_lines = 0;  // with each k of the first tile

  // kPairs: rows are pairs of bf16, each in the place of a float.
  template <bool kPairs>
  float Row(int64_t r, int64_t k) const {
    if constexpr (!kPairs) return rows[r * row_step + k];
    const auto pair = std::bit_cast<std::array<BF16, 2>>(rows[r * row_step + k / 2]);
    return FloatFromBf16(pair[k % 2]);
  }
  const uint16_t* Column(int64_t c) const { return columns + c / 16 * block_step + c % 16; }
};

template <DType kDType, int kRows, int kVectors>
HWY_NOINLINE void MultiplyTile(const TileProduct& product, int64_t first) {
  const TileProduct p = product;
  const Lanes d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  float* const out = p.out + first;
  const uint16_t* columns[kVectors];
  for (int v = 0; v < kVectors; ++v) columns[v] = p.Column(first + v * lanes);
  Vector sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = p.first_scale == nullptr ? hn::Zero(d)
                                           : hn::Mul(hn::LoadU(d, out + r * p.out_step + v * lanes),
                                                     hn::Set(d, p.first_scale[r]));
    }
  }
  const float* rows = p.rows;
  const uint16_t* ahead = p.ahead;
  const int64_t ahead_lines = first == 0 ? p.ahead_lines : 0;
  for (int64_t k = 0, at = 0; k < p.depth; ++k, ++rows, at += p.column_step) {
    for (int64_t line = 0; line < ahead_lines; ++line, ahead += 32) __builtin_prefetch(ahead, 0, 2);
    Vector column[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) column[v] = LoadKv<kDType>(columns[v] + at);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vector row = hn::Set(d, rows[r * p.row_step]);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(row, column[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(sum[r][v], d, out + r * p.out_step + v * lanes);
    }
  }
}

#if HWY_TARGET == HWY_AVX3

// Lanes of 16 columns, each with k as its low and k + 1 as its high half, rounded to bf16.
template <DType kDType>
HWY_INLINE __m512i LoadPairs(const uint16_t* k, const uint16_t* next_k) {
  const auto half = [](const uint16_t* p) HWY_ATTR {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  };
  __m512i halves;
  if constexpr (kDType == DType::kF16) {
    const __m512 low = _mm512_cvtph_ps(half(k)), high = _mm512_cvtph_ps(half(next_k));
    asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(halves) : "v"(low), "v"(high));
  } else {
    halves = _mm512_inserti64x4(_mm512_castsi256_si512(half(k)), half(next_k), 1);
  }
  alignas(64) static constexpr uint16_t kTurns[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                      21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                      11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kTurns), halves);
}

// Rounds so many floats to bf16, in place: two take the place of one from the first on.
HWY_INLINE void RoundToPairs(float* values, int64_t count) {
  auto* out = reinterpret_cast<uint16_t*>(values);
  for (int64_t i = 0; i < count; i += 16) {
    const auto lanes = static_cast<__mmask16>((1u << std::min<int64_t>(16, count - i)) - 1);
    __m256i rounded;
    asm("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(_mm512_maskz_loadu_ps(lanes, values + i)));
    _mm256_mask_storeu_epi16(out + i, lanes, rounded);
  }
}

// MultiplyTile of rows that are pairs of bf16 (RoundToPairs), two k at once.
template <DType kDType, int kRows, int kVectors>
HWY_NOINLINE void MultiplyPairTile(const TileProduct& product, int64_t first) {
  const TileProduct p = product;
  float* const out = p.out + first;
  const uint16_t* columns[kVectors];
  for (int v = 0; v < kVectors; ++v) columns[v] = p.Column(first + v * 16);
  __m512 sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = p.first_scale == nullptr
                      ? _mm512_setzero_ps()
                      : _mm512_mul_ps(_mm512_loadu_ps(out + r * p.out_step + v * 16),
                                      _mm512_set1_ps(p.first_scale[r]));
    }
  }
  const float* rows = p.rows;
  const uint16_t* ahead = p.ahead;
  const int64_t ahead_lines = first == 0 ? 2 * p.ahead_lines : 0;
  const auto add = [&](int64_t at, int64_t step, int32_t mask) HWY_ATTR {
    __m512i column[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      column[v] = LoadPairs<kDType>(columns[v] + at, columns[v] + at + step);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const __m512i pair = _mm512_set1_epi32(std::bit_cast<int32_t>(rows[r * p.row_step]) & mask);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] = DotPair(sum[r][v], column[v], pair);
    }
  };
  int64_t at = 0;
  for (int64_t k = p.depth / 2; k > 0; --k, ++rows, at += 2 * p.column_step) {
    for (int64_t line = 0; line < ahead_lines; ++line, ahead += 32) __builtin_prefetch(ahead, 0, 2);
    add(at, p.column_step, -1);
  }
  // Of the last pair only one exists: it is taken twice, the second time by zero.
  if (p.depth % 2 != 0) add(at, 0, 0xffff);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      _mm512_storeu_ps(out + r * p.out_step + v * 16, sum[r][v]);
    }
  }
}

#endif

template <DType kDType, bool kPairs, int kRows, int kVectors>
HWY_INLINE void MultiplyTileAs(const TileProduct& product, int64_t first) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (kPairs) return MultiplyPairTile<kDType, kRows, kVectors>(product, first);
#endif
  MultiplyTile<kDType, kRows, kVectors>(product, first);
}

// As many whole vectors as there are, for exactly kRows rows; returns the columns done.
template <DType kDType, bool kPairs, int kRows>
int64_t MultiplyVectors(int64_t width, const TileProduct& p) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(Lanes()));
  constexpr int kVectors = VectorsOf(kRows);
  int64_t done = 0;
  for (; done + kVectors * lanes <= width; done += kVectors * lanes) {
    MultiplyTileAs<kDType, kPairs, kRows, kVectors>(p, done);
  }
  if constexpr (kRows <= 2) {  // so few sums that one vector of each would wait for itself
    if (done + 3 * lanes <= width) {
      MultiplyTileAs<kDType, kPairs, kRows, 3>(p, done);
      done += 3 * lanes;
    } else if (done + 2 * lanes <= width) {
      MultiplyTileAs<kDType, kPairs, kRows, 2>(p, done);
      done += 2 * lanes;
    }
  }
  for (; done + lanes <= width; done += lanes) MultiplyTileAs<kDType, kPairs, kRows, 1>(p, done);
  return done;
}

template <DType kDType, bool kPairs, int... kRows>
HWY_INLINE int64_t MultiplyRowsOf(int64_t rows, int64_t width, const TileProduct& p,
                                  std::integer_sequence<int, kRows...>) {
  int64_t done = 0;
  ((rows == kRows + 1 ? void(done = MultiplyVectors<kDType, kPairs, kRows + 1>(width, p)) : void()),
   ...);
  return done;
}

// One column, where what is left fills no vector.
template <DType kDType, bool kPairs>
HWY_INLINE void MultiplyColumn(int64_t rows, int64_t column, const TileProduct& p) {
  for (int64_t r = 0; r < rows; ++r) {
    float* out = p.out + r * p.out_step + column;
    float sum = p.first_scale == nullptr ? 0.0f : *out * p.first_scale[r];
    for (int64_t k = 0; k < p.depth; ++k) {
      const uint16_t bits = p.Column(column)[k * p.column_step];
      const float value = kDType == DType::kF16 ? FloatFromF16(bits) : FloatFromBf16(bits);
      sum = std::fma(p.Row<kPairs>(r, k), value, sum);
    }
    *out = sum;
  }
}

// The product over `width` columns and up to kTileRows rows.
template <DType kDType, bool kPairs>
HWY_INLINE void Multiply(int64_t rows, int64_t width, const TileProduct& p) {
  int64_t column =
      MultiplyRowsOf<kDType, kPairs>(rows, width, p, std::make_integer_sequence<int, kTileRows>());
  for (; column < width; ++column) MultiplyColumn<kDType, kPairs>(rows, column, p);
}

// to[i][j] = from[j][i], 8 x 8. A round of interleaving moves the first bit of a row's index to the
// end of its column's, and of that one's to the row's; three rounds exchange them.
HWY_INLINE void Transpose8(const uint16_t* from, int64_t from_step, uint16_t* to, int64_t to_step) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < 64; ++i) to[i / 8 * to_step + i % 8] = from[i % 8 * from_step + i / 8];
#else
  using Eight = hn::FixedTag<uint16_t, 8>;
  const Eight d;
  hn::Vec<Eight> row[8], next[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) row[i] = hn::LoadU(d, from + i * from_step);
#pragma GCC unroll 3
  for (int round = 0; round < 3; ++round) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      next[2 * i] = hn::InterleaveLower(d, row[i], row[i + 4]);
      next[2 * i + 1] = hn::InterleaveUpper(d, row[i], row[i + 4]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) row[i] = next[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) hn::StoreU(row[i], d, to + i * to_step);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
