// Products of quantised weights: the loops around the register tile (quantised_tile-inl.h), from a
// task down to tiles. A task is some panels times all groups of activations:
//
//   for each panel (or pair of panels): [unpack it once, if enough groups read it]
//     for each group of rows: for each tile of the group: MultiplyTile
//
// Inner part of quantised_blocks.cc and quantised_k.cc, which instantiate MultiplyTask for types;
// compiled once for each Highway target.
#if defined(WAFERLINE_QUANTISED_MATMUL_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_QUANTISED_MATMUL_INL_H
#undef WAFERLINE_QUANTISED_MATMUL_INL_H
#else
#define WAFERLINE_QUANTISED_MATMUL_INL_H
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "hwy/highway.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/activations.h"
#include "wafer_backend/compute/kernels/products.h"
#include "wafer_backend/compute/kernels/quant_traits.h"
#include "wafer_backend/compute/kernels/quantised_tile-inl.h"
#include "wafer_backend/compute/kernels/quantised_weights-inl.h"
#include "wafer_backend/compute/kernels/winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// A group's rows fall into this many tiles, as even as possible.
constexpr int64_t TilesOf(int64_t columns, int64_t panels) {
  return (columns * panels + kTileColumns - 1) / kTileColumns;
}

// The smallest tile of groups of min_columns .. kMaxColumns rows. Smaller ones are not compiled:
// tiles are most of what this folder takes to build.
constexpr int MinTile(int64_t min_columns, int64_t panels) {
  int64_t smallest = kTileColumns;
  for (int64_t columns = min_columns; columns <= kMaxColumns; ++columns) {
    smallest = std::min(smallest, columns / TilesOf(columns, panels));
  }
  return static_cast<int>(smallest);
}

// MultiplyTile<.., columns>, chosen at run time among kMin + k.
template <int kPanels, int kMin, class Weights, int... k>
HWY_INLINE void MultiplyTileOf(int64_t columns, const Weights* w, const TilePass& pass,
                               std::integer_sequence<int, k...>) {
  static constexpr std::array kTiles = {&MultiplyTile<kPanels, kMin + k, Weights>...};
  WL_CHECK(columns >= kMin);
  kTiles[static_cast<size_t>(columns - kMin)](w, pass);
}

template <class Weights>
constexpr int64_t ScalesIn(int64_t cols) {
  return (cols + Weights::kScaleColumns - 1) / Weights::kScaleColumns;
}

// What comes from memory while other panels are multiplied: an equal part with each of the last
// tiles; what came earlier could be pushed out of the cache before its turn. (Passed by pointer: a
// copy reads in one piece what was just written in two, and so waits for all stores before it.)
struct Ahead {
  const std::byte* from;
  int64_t lines;  // with each scale of a tile's rows
  int64_t pause;  // tiles before the first part

  Ahead(const std::byte* first, int64_t all_lines, int64_t tiles, int64_t steps)
      : from(first),
        lines(all_lines == 0 ? 0 : (all_lines + tiles * steps - 1) / (tiles * steps)),
        pause(all_lines == 0 ? 0 : tiles - (all_lines + lines * steps - 1) / (lines * steps)) {}
};

// The group times kPanels panels from `panel` on. kMinGroups: the task has that many or more.
template <int kPanels, int64_t kMinGroups, class Weights>
void MultiplyGroup(const ProductTask& task, int64_t panel, const ColumnGroup& group,
                   int64_t first_row, const Weights* w, Ahead* ahead) {
  constexpr int kMin = MinTile(MinGroupColumns(kMinGroups), kPanels);
  constexpr int kTileSizes = kTileColumns / kPanels - kMin + 1;
  const PackedMatrix& m = *task.product->weights;
  const Int8Rows& x = group.int8[static_cast<size_t>(Weights::kTraits.activations)];
  const int32_t* start =
      Weights::kPairs > 0 ? x.start_winograd : group.start[RowOf(Weights::kTraits.dtype)];
  const float* sums = Weights::kHalves ? x.half_sums : x.sums;
  const int64_t tiles = TilesOf(group.count, kPanels);
  constexpr bool kWide = HWY_TARGET == HWY_AVX2 && !Weights::kVnni && Weights::kTraits.wide();
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t j = tiles == 1 ? 0 : group.count * tile / tiles;
    const int64_t end = tiles == 1 ? group.count : group.count * (tile + 1) / tiles;
    const int64_t lines = ahead->pause-- > 0 ? 0 : ahead->lines;
    TilePass pass{
        .blocks = m.cols() / kActivationBlock,
        .stride = group.count,
        .q = kWide ? reinterpret_cast<const int8_t*>(x.wide + j * 4) : x.q + j * 4,
        .ratio = x.ratio + j,
        .last_scale = x.last_scale + j,
        .start = start == nullptr ? nullptr : start + j,
        .sums = sums == nullptr ? nullptr : sums + j,
        .y = task.product->y + (first_row + j) * m.rows() + panel * kPanelRows,
        .y_stride = m.rows(),
        .ahead = ahead->from,
        .ahead_lines = lines,
    };
    ahead->from += ScalesIn<Weights>(m.cols()) * lines * 64;
    for (int p = 0; p < kPanels; ++p) {
      pass.lanes[p] = std::min(kPanelRows, m.rows() - (panel + p) * kPanelRows);
    }
    MultiplyTileOf<kPanels, kMin>(end - j, w, pass, std::make_integer_sequence<int, kTileSizes>());
  }
}

// All groups times kPanels panels from `panel` on.
template <int kPanels, int64_t kMinGroups, class Weights>
void MultiplyGroups(const ProductTask& task, int64_t panel, const Weights* w, Ahead* ahead) {
  int64_t row = 0;
  for (const ColumnGroup& group : task.groups) {
    MultiplyGroup<kPanels, kMinGroups>(task, panel, group, row, w, ahead);
    row += group.count;
  }
}

// With this many groups, unpacking a panel of K-quants once costs less than in each group's pass,
// and so with bits or a code book to put together. Not so Q4_0: its nibbles are taken apart while
// the multipliers are busy, and whole bytes would need more of the caches (0.99 and 1.01 times as
// fast for prompts), unless Winograd's products use them.
constexpr int64_t kWorthUnpacking = HWY_TARGET == HWY_AVX2 ? 2 : 3;  // there groups are 3 tiles
constexpr bool NeedsUnpacking(DType dtype) {
  const QuantTraits& type = TraitsOf(dtype);
  return type.super_blocks() || type.top_bits() != 0 || type.values.has_value();
}

// With this many groups two panels are multiplied at once: activations are then loaded half as
// often, for twice the weights, which pays where those are read from the cache often enough: 1.02
// to 1.05 times as fast for prompts and 32 sequences, 0.97 times for 16.
constexpr int64_t kWorthPairing = 3;

// All groups times kPanels panels from `panel` on, by whichever form of the weights pays.
template <int kPanels, DType kDType, bool kAvxVnni>
void MultiplyPanels(const ProductTask& task, int64_t panel, Ahead* ahead) {
  const PackedMatrix& m = *task.product->weights;
  const int64_t blocks = m.cols() / kActivationBlock;
  PackedWeights<kDType, kAvxVnni> packed[kPanels];
  for (int p = 0; p < kPanels; ++p) {
    packed[p].panel = reinterpret_cast<const uint8_t*>(m.panel(panel + p));
  }
#if HWY_TARGET == HWY_AVX3
  constexpr Int8Form kForm = TraitsOf(kDType).activations;
  if constexpr (ForWinograd(kForm)) {
    if (task.groups[0].int8[static_cast<size_t>(kForm)].start_winograd != nullptr) {
      using Block = typename WinogradWeights<kDType>::Block;
      WinogradWeights<kDType> unpacked[kPanels];
      for (int p = 0; p < kPanels; ++p) {
        auto* memory = reinterpret_cast<Block*>(task.workspace) + p * blocks;
        UnpackWinograd(packed[p], blocks, memory);
        unpacked[p] = {memory};
      }
      return MultiplyGroups<kPanels, kWinogradGroups>(task, panel, unpacked, ahead);
    }
  }
#endif
  if constexpr (NeedsUnpacking(kDType)) {
    static_assert(kWorthPairing >= kWorthUnpacking);
    if (kPanels > 1 || std::ssize(task.groups) >= kWorthUnpacking) {
      using Unpacked = UnpackedWeights<kDType, kAvxVnni>;
      Unpacked unpacked[kPanels];
      for (int p = 0; p < kPanels; ++p) {
        auto* memory = reinterpret_cast<uint8_t*>(task.workspace);
        unpacked[p].blocks = memory + p * blocks * Unpacked::kBlockBytes;
        unpacked[p].Unpack(packed[p], blocks);
      }
      constexpr int64_t kFewest = kPanels > 1 ? kWorthPairing : kWorthUnpacking;
      return MultiplyGroups<kPanels, kFewest>(task, panel, unpacked, ahead);
    }
  }
  if constexpr (kPanels == 1) {
    MultiplyGroups<1, 1>(task, panel, packed, ahead);
  } else if constexpr (!NeedsUnpacking(kDType)) {
    MultiplyGroups<kPanels, kWorthPairing>(task, panel, packed, ahead);
  }
}

template <DType kDType, bool kAvxVnni>
void MultiplyTaskBy(const ProductTask& task) {
  const PackedMatrix& m = *task.product->weights;
  const auto groups = static_cast<int64_t>(task.groups.size());
  // While some panels are multiplied the next ones come from memory: the CPU's own prefetching ends
  // at every page, and the product would wait there (one row on an Intel Xeon: AVX2 1.9 times as
  // fast, AVX-512 1.2 times).
  const int64_t fetched = m.panel_bytes() / 64;
  const int64_t at_once = groups >= kWorthPairing ? kTilePanels : 1;
  int64_t tiles = 0;
  for (const ColumnGroup& group : task.groups) tiles += TilesOf(group.count, at_once);
  const int64_t steps = ScalesIn<PackedWeights<kDType, kAvxVnni>>(m.cols());
  for (int64_t panel = task.first_panel, width; panel < task.end_panel; panel += width) {
    width = std::min(at_once, task.end_panel - panel);
    const int64_t next = panel + width;  // of this task, or of the one that this thread takes next
    const int64_t next_panels = std::min(at_once, m.panel_count() - next);
    Ahead ahead(m.panel(next), next_panels * fetched, tiles, steps);
    if (width == 1) {
      MultiplyPanels<1, kDType, kAvxVnni>(task, panel, &ahead);
    } else {
      MultiplyPanels<kTilePanels, kDType, kAvxVnni>(task, panel, &ahead);
    }
  }
}

template <DType kDType>
void MultiplyTask(const ProductTask& task, [[maybe_unused]] CpuPath path) {
#if HWY_TARGET == HWY_AVX2
  if (path == CpuPath::kAvxVnni) return MultiplyTaskBy<kDType, true>(task);
#endif
  MultiplyTaskBy<kDType, false>(task);
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
