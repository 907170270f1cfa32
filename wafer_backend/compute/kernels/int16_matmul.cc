// Products of F16 and BF16 as integers of 16 bits (int16_form.h). A register tile is up to
// kInt16Columns rows of activations times kInt16Panels panels; of each output, in rising order:
//
//   dot   int32  exact products of a block of 32 columns, an instruction (AVX2 without VNNI: two) a
//   pair of them part  f32    += float(dot) * 2^exponent, over the 128 columns of a scale sum   f32
//   += part * the activations' scale
//
// The dots fill the registers; the other two wait in the nearest cache. Every CPU path gives the
// same bits: multiplying by a power of two rounds nothing, so a fused addition rounds like another.
#include "wafer_backend/compute/kernels/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/int16_matmul.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <algorithm>
#include <cstring>
#include <utility>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/int16_form.h"
#include "wafer_backend/compute/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// Columns whose dots fit the registers with what a step needs: 24 of 32, 12 of 16.
inline constexpr int kInt16Columns = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2 ? 6 : 2;
inline constexpr int kInt16TileColumns = 2 * kInt16Columns;
inline constexpr int kInt16Panels = HWY_TARGET == HWY_AVX3 ? 2 : 1;

struct Int16Pass {
  const uint8_t* weights[kInt16Panels];
  float* y[kInt16Panels];
  int64_t rows[kInt16Panels];  // of the panel that exist
  int64_t blocks;
  const int16_t* x;    // Int16Rows of the tile's first row
  const float* scale;  // the same
  int64_t stride;      // J of the group; the tile is part of it
  int64_t y_stride;
};

template <int kColumns>
using Dots = I32x16[kInt16Panels][kColumns];
template <int kColumns>
using Parts = F32x16[kInt16Panels][kColumns];
template <int kColumns>
using Sums = float[kInt16Panels][kColumns][kPanelRows];

// By AVX-VNNI on AVX2.
template <bool kAvxVnni>
HWY_INLINE I32x16 DotPairsBy(I32x16 sum, U8x64 w, U8x64 x) {
#if HWY_TARGET == HWY_AVX2
  if constexpr (kAvxVnni) return DotPairsVnni(sum, w, x);
#endif
  return DotPairs(sum, w, x);
}

// dot = the products of one block. weights: of each panel's block. Of panels from kFetch to before
// kEndFetch the same place of the next chunk is brought into the second cache.
template <bool kAvxVnni, int kColumns, int kFetch, int kEndFetch>
HWY_INLINE void DotBlock(const uint8_t* const (&weights)[kInt16Panels], const int16_t* x,
                         int64_t stride, Dots<kColumns>& dot) {
#pragma GCC unroll 2
  for (int p = 0; p < kInt16Panels; ++p) {
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) dot[p][j] = ZeroI32();
  }
  for (int64_t pair = 0; pair < kInt16Block / 2; ++pair) {
    U8x64 w[kInt16Panels];
#pragma GCC unroll 2
    for (int p = 0; p < kInt16Panels; ++p) {
      const uint8_t* at = weights[p] + pair * kPanelRows * 4;
      w[p] = LoadBytes(at);
      if (p >= kFetch && p < kEndFetch) {
        __builtin_prefetch(at + Int16ChunkBytes(kInt16ChunkBlocks), 0, 2);
      }
    }
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) {
      const U8x64 xs = BroadcastQuad(reinterpret_cast<const int8_t*>(x + j * 2));
#pragma GCC unroll 2
      for (int p = 0; p < kInt16Panels; ++p) dot[p][j] = DotPairsBy<kAvxVnni>(dot[p][j], w[p], xs);
    }
    x += stride * 2;
  }
}

// part += dot * 2^exponent.
template <int kColumns>
HWY_INLINE void AddBlock(const uint8_t* const (&exponents)[kInt16Panels], const Dots<kColumns>& dot,
                         Parts<kColumns>& part) {
#pragma GCC unroll 2
  for (int p = 0; p < kInt16Panels; ++p) {
    const F32x16 scale = LoadExponents(exponents[p]);
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) part[p][j] = MulAdd(ToFloat(dot[p][j]), scale, part[p][j]);
  }
}

// sum += part * the activations' scale.
template <int kColumns>
HWY_INLINE void AddParts(const float* scale, const Parts<kColumns>& part, Sums<kColumns>& sums) {
  float* sum = sums[0][0];
  asm("" : "+r"(sum));  // or each place would have a register of its own
#pragma GCC unroll 2
  for (int p = 0; p < kInt16Panels; ++p) {
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) {
      float* const at = sum + (p * kColumns + j) * kPanelRows;
      Store(Add(LoadF32(at), Mul(part[p][j], Broadcast(scale + j))), at, kPanelRows);
    }
  }
}

// sum += the products of up to 128 columns, of kColumns of the pass's rows from `first` on.
template <bool kAvxVnni, int kColumns, int kFetch, int kEndFetch>
HWY_INLINE void AddChunk(const Int16Pass& pass, int64_t blocks, int first, Sums<kColumns>& sum) {
  Parts<kColumns> part;
#pragma GCC unroll 2
  for (int p = 0; p < kInt16Panels; ++p) {
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) part[p][j] = Zero();
  }
  const int16_t* x = pass.x + first * 2;
  for (int64_t block = 0; block < blocks; ++block) {
    const uint8_t* weights[kInt16Panels];
    const uint8_t* exponents[kInt16Panels];
    for (int p = 0; p < kInt16Panels; ++p) {
      weights[p] = pass.weights[p] + kInt16ExponentBytes + block * kInt16BlockBytes;
      exponents[p] = pass.weights[p] + block * kPanelRows;
    }
    Dots<kColumns> dot;
    DotBlock<kAvxVnni, kColumns, kFetch, kEndFetch>(weights, x, pass.stride, dot);
    AddBlock<kColumns>(exponents, dot, part);
    x += kInt16Block * pass.stride;
  }
  AddParts<kColumns>(pass.scale + first, part, sum);
}

template <int kColumns>
HWY_INLINE void StoreSums(const Int16Pass& pass, int first, const Sums<kColumns>& sum) {
  for (int p = 0; p < kInt16Panels; ++p) {
    for (int j = 0; j < kColumns; ++j) {
      Store(LoadF32(sum[p][j]), pass.y[p] + (first + j) * pass.y_stride, pass.rows[p]);
    }
  }
}

// Of more rows than registers hold, each half takes a chunk of the weights while that is near.
template <bool kAvxVnni, int kColumns>
HWY_NOINLINE void MultiplyInt16Tile(const Int16Pass& pass_in) {
  constexpr int kFirst = kColumns > kInt16Columns ? (kColumns + 1) / 2 : kColumns;
  constexpr int kSecond = kColumns - kFirst;
  Int16Pass pass = pass_in;
  struct alignas(64) {
    Sums<kFirst> first;
    Sums<kSecond == 0 ? 1 : kSecond> second;
  } memory;
  auto* sum = &memory;
  asm("" : "+r"(sum) : : "memory");  // not to become registers, which are too few
  std::memset(sum, 0, sizeof(memory));
  for (int64_t left = pass.blocks; left > 0; left -= kInt16ChunkBlocks) {
    const int64_t blocks = std::min(kInt16ChunkBlocks, left);
    if constexpr (kSecond > 0) {
      AddChunk<kAvxVnni, kFirst, 0, 1>(pass, blocks, 0, sum->first);
      AddChunk<kAvxVnni, kSecond, 1, kInt16Panels>(pass, blocks, kFirst, sum->second);
    } else {
      AddChunk<kAvxVnni, kFirst, 0, kInt16Panels>(pass, blocks, 0, sum->first);
    }
    pass.x += blocks * kInt16Block * pass.stride;
    pass.scale += pass.stride;
    for (const uint8_t*& weights : pass.weights) weights += Int16ChunkBytes(blocks);
  }
  StoreSums<kFirst>(pass, 0, sum->first);
  if constexpr (kSecond > 0) StoreSums<kSecond>(pass, kFirst, sum->second);
}

template <bool kAvxVnni, int... kColumns>
HWY_INLINE void MultiplyInt16TileOf(int64_t columns, const Int16Pass& pass,
                                    std::integer_sequence<int, kColumns...>) {
  ((columns == kColumns + 1 ? MultiplyInt16Tile<kAvxVnni, kColumns + 1>(pass) : void()), ...);
}

// Rows [j, j + columns) of the group, whose first is `first_row`, times panels from `first` on.
template <bool kAvxVnni>
void MultiplyInt16Rows(const ProductTask& task, int64_t first, const ColumnGroup& group,
                       int64_t first_row, int64_t j, int64_t columns) {
  const PackedMatrix& m = *task.product->weights;
  Int16Pass pass{.blocks = Int16Blocks(m.cols()),
                 .x = group.int16.q + j * 2,
                 .scale = group.int16.scale + j,
                 .stride = group.count,
                 .y_stride = m.rows()};
  for (int p = 0; p < kInt16Panels; ++p) {
    // Beyond the task's last panel the last one is computed again and not stored.
    const int64_t panel = std::min(first + p, task.end_panel - 1);
    pass.weights[p] = reinterpret_cast<const uint8_t*>(m.panel(panel));
    pass.y[p] = task.product->y + (first_row + j) * m.rows() + panel * kPanelRows;
    pass.rows[p] = panel == first + p ? std::min(kPanelRows, m.rows() - panel * kPanelRows) : 0;
  }
  MultiplyInt16TileOf<kAvxVnni>(columns, pass,
                                std::make_integer_sequence<int, kInt16TileColumns>());
}

template <bool kAvxVnni>
void MultiplyInt16By(const ProductTask& task) {
  for (int64_t first = task.first_panel; first < task.end_panel; first += kInt16Panels) {
    int64_t row = 0;
    for (const ColumnGroup& group : task.groups) {
      const int64_t tiles =
          (group.count + kInt16TileColumns - 1) / kInt16TileColumns;  // as even as can be
      for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t j = group.count * tile / tiles;
        MultiplyInt16Rows<kAvxVnni>(task, first, group, row, j,
                                    group.count * (tile + 1) / tiles - j);
      }
      row += group.count;
    }
  }
}

void MultiplyInt16(const ProductTask& task, [[maybe_unused]] CpuPath path) {
#if HWY_TARGET == HWY_AVX2
  if (path == CpuPath::kAvxVnni) return MultiplyInt16By<true>(task);
#endif
  MultiplyInt16By<false>(task);
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void MultiplyInt16(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyInt16)(task, path);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
