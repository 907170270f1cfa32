#include "wafer_backend/compute/kernels/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/quantised_matmul.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <algorithm>
#include <utility>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/quantised_weights-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// What one pass over a panel reads beside the weights, and where it writes.
struct TilePass {
  int64_t blocks;   // columns / 32
  int64_t stride;   // J of the group; the tile is part of it
  const int8_t* q;  // of the tile's first row, as the arrays below
  const float* ratio;
  const float* last_scale;
  const int32_t* start;  // null: sums start from 0
  const float* sums;     // for minima
  float* y;              // [tile rows][y_stride], at the panel's first row
  int64_t y_stride;
  int64_t lanes;           // rows of the panel that exist
  const std::byte* ahead;  // memory to be fetched meanwhile: `ahead_lines` lines each 2 blocks
  int64_t ahead_lines;
};

template <int kFirst, int kColumns, class Weights>
HWY_INLINE void AddQuads(const Weights& w, int64_t block, const TilePass& pass, const int8_t* q,
                         I32x16 (&dot)[kColumns]) {
  constexpr int kQuads = Weights::kHalves ? 4 : 8;
  [&]<int... t>(std::integer_sequence<int, t...>) HWY_ATTR {
    (
        [&]() HWY_ATTR {
          const U8x64 quad = w.template Quad<kFirst + t>(block);
          const int8_t* x = q + (kFirst + t) * pass.stride * 4;
#pragma GCC unroll 12
          for (int j = 0; j < kColumns; ++j) dot[j] = DotQuad(dot[j], quad, x + j * 4);
        }(),
        ...);
  }
  (std::make_integer_sequence<int, kQuads>());
}

// sum[j] += float(dot of the part) * weight scale, in units of the activations' scale.
template <int kHalf, int kColumns, class Weights>
HWY_INLINE void AddPart(const Weights& w, int64_t block, const TilePass& pass,
                        F32x16 (&sum)[kColumns]) {
  const int64_t part = Weights::kHalves ? block * 2 + kHalf : block;
  I32x16 dot[kColumns];
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
    if constexpr (Weights::kMinima) {
      const int32_t zero = 0;
      dot[j] = Broadcast(&zero);
    } else {
      dot[j] = Broadcast(pass.start + part * pass.stride + j);
    }
  }
  AddQuads<kHalf * 4>(w, block, pass, pass.q + block * pass.stride * 32, dot);
  const F32x16 scale = w.Scale(block, kHalf);
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) sum[j] = MulAdd(ToFloat(dot[j]), scale, sum[j]);
  if constexpr (Weights::kMinima) {
    const F32x16 min = w.Min(block);
    const float* x_sum = pass.sums + block * pass.stride;
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) sum[j] = NegMulAdd(min, Broadcast(x_sum + j), sum[j]);
  }
}

// Sixteen rows of weights times kColumns rows of activations. Each output is summed block by block
// in rising order, in its own lane of its own register, in units of its row's current scale: where
// that changes the sum is converted, and the last scale makes it a number.
template <int kColumns, class Weights>
HWY_NOINLINE void MultiplyTile(const Weights& weights, const TilePass& pass_in) {
  static_assert(kScaleColumns == 2 * kActivationBlock);
  const Weights w = weights;
  const TilePass pass = pass_in;
  F32x16 sum[kColumns];
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) sum[j] = Zero();
  const std::byte* ahead = pass.ahead;
  const float* ratio = pass.ratio;
  for (int64_t block = 0; block < pass.blocks; ++block) {
    if (block % 2 == 0) {
      for (int64_t line = 0; line < pass.ahead_lines; ++line) {
        __builtin_prefetch(ahead, 0, 2);
        ahead += 64;
      }
#pragma GCC unroll 12
      for (int j = 0; j < kColumns; ++j) sum[j] = Mul(sum[j], Broadcast(ratio + j));
      ratio += pass.stride;
    }
    AddPart<0>(w, block, pass, sum);
    if constexpr (Weights::kHalves) AddPart<1>(w, block, pass, sum);
  }
#pragma GCC unroll 12
  for (int j = 0; j < kColumns; ++j) {
    Store(Mul(sum[j], Broadcast(pass.last_scale + j)), pass.y + j * pass.y_stride, pass.lanes);
  }
}

// MultiplyTile<columns>, columns <= kTileColumns, chosen at run time.
template <class Weights, int... kColumns>
HWY_INLINE void MultiplyTileOf(int64_t columns, const Weights& w, const TilePass& pass,
                               std::integer_sequence<int, kColumns...>) {
  ((columns == kColumns + 1 ? MultiplyTile<kColumns + 1>(w, pass) : void()), ...);
}

const int32_t* StartOf(DType dtype, const ColumnGroup& group) {
  return dtype == DType::kQ8_0   ? group.start_q8_0
         : dtype == DType::kQ4_0 ? group.start_q4_0
         : dtype == DType::kQ6_K ? group.start_q6_k
                                 : nullptr;
}

template <class Weights>
void MultiplyGroup(const ProductTask& task, int64_t panel, const ColumnGroup& group,
                   int64_t first_row, const Weights& w, const std::byte* ahead,
                   int64_t ahead_lines) {
  const PackedMatrix& m = *task.product->weights;
  const int32_t* start = StartOf(m.dtype(), group);
  for (int64_t j = 0; j < group.count; j += kTileColumns) {
    const TilePass pass{
        .blocks = m.cols() / kActivationBlock,
        .stride = group.count,
        .q = group.q + j * 4,
        .ratio = group.ratio + j,
        .last_scale = group.last_scale + j,
        .start = start == nullptr ? nullptr : start + j,
        .sums = group.sums == nullptr ? nullptr : group.sums + j,
        .y = task.product->y + (first_row + j) * m.rows() + panel * kPanelRows,
        .y_stride = m.rows(),
        .lanes = std::min(kPanelRows, m.rows() - panel * kPanelRows),
        .ahead = ahead,
        .ahead_lines = j == 0 ? ahead_lines : 0,
    };
    MultiplyTileOf(std::min<int64_t>(kTileColumns, group.count - j), w, pass,
                   std::make_integer_sequence<int, kTileColumns>());
  }
}

template <DType kDType>
HWY_NOINLINE void Unpack(const PackedWeights<kDType>& w, int64_t blocks, uint8_t* out) {
  for (int64_t block = 0; block < blocks; ++block) {
    [&]<int... t>(std::integer_sequence<int, t...>) HWY_ATTR {
      (StoreBytes(w.template Quad<t>(block), out + (block * 8 + t) * 64), ...);
    }
    (std::make_integer_sequence<int, 8>());
  }
}

// With this many groups, unpacking a panel of K-quants once costs less than in each group's pass.
// The nibbles of Q4_0 are taken apart on ports that the products leave idle, and whole bytes would
// only crowd the caches: 1.08 (prompts) and 1.10 times (32 sequences) as fast without.
constexpr int64_t kWorthUnpacking = 3;
constexpr bool NeedsUnpacking(DType dtype) {
  return dtype != DType::kQ8_0 && dtype != DType::kQ4_0;
}

constexpr int64_t kWorthFetching = 4;  // rows of activations

template <DType kDType>
void MultiplyPanels(const ProductTask& task) {
  const PackedMatrix& m = *task.product->weights;
  const int64_t blocks = m.cols() / kActivationBlock;
  const auto groups = static_cast<int64_t>(task.groups.size());
  // While one panel is multiplied the next one comes from memory, in equal parts with each group: a
  // product that is not bound by memory alone would else wait for it at every page. Where it is,
  // the CPU's own prefetching does best.
  const bool fetch = groups > 1 || task.groups[0].count >= kWorthFetching;
  const int64_t steps = (blocks + 1) / 2 * groups;
  const int64_t ahead_lines = fetch ? (m.panel_bytes() / 64 + steps - 1) / steps : 0;
  for (int64_t panel = task.first_panel; panel < task.end_panel; ++panel) {
    const std::byte* memory = m.panel(panel);
    const PackedWeights<kDType> packed{reinterpret_cast<const uint8_t*>(memory)};
    const int64_t next = panel + 1 < task.end_panel ? panel + 1 : task.next_panel;
    const int64_t lines = next < m.panel_count() ? ahead_lines : 0;
    const auto with_groups = [&](const auto& w) {
      const std::byte* ahead = m.panel(next);
      int64_t row = 0;
      for (const ColumnGroup& group : task.groups) {
        MultiplyGroup(task, panel, group, row, w, ahead, lines);
        ahead += lines * ((blocks + 1) / 2) * 64;
        row += group.count;
      }
    };
    if (!NeedsUnpacking(kDType) || groups < kWorthUnpacking) {
      with_groups(packed);
    } else {
      auto* values = reinterpret_cast<uint8_t*>(task.workspace);
      Unpack(packed, blocks, values);
      with_groups(UnpackedWeights<kDType>{packed, values});
    }
  }
}

void MultiplyQuantised(const ProductTask& task) {
  switch (task.product->weights->dtype()) {
    case DType::kQ8_0:
      return MultiplyPanels<DType::kQ8_0>(task);
    case DType::kQ4_0:
      return MultiplyPanels<DType::kQ4_0>(task);
    case DType::kQ4_K:
      return MultiplyPanels<DType::kQ4_K>(task);
    case DType::kQ5_K:
      return MultiplyPanels<DType::kQ5_K>(task);
    default:
      return MultiplyPanels<DType::kQ6_K>(task);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void MultiplyQuantised(const ProductTask& task, CpuPath path) {
  WL_FOR_PATH(path, MultiplyQuantised)(task);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
