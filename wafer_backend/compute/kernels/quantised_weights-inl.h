// Readers of quantised panels (panel.h): the next four columns of all sixteen rows as unsigned
// bytes, and the float scale of each part. Inner part of quantised_matmul-inl.h; compiled once for
// each Highway target.
#if defined(WAFERLINE_QUANTISED_WEIGHTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_QUANTISED_WEIGHTS_INL_H
#undef WAFERLINE_QUANTISED_WEIGHTS_INL_H
#else
#define WAFERLINE_QUANTISED_WEIGHTS_INL_H
#endif

#include "wafer_backend/compute/kernels/activations.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/kernels/panel.h"
#include "wafer_backend/compute/kernels/quant_traits.h"
#include "wafer_backend/compute/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// Quad t (0..7) of block `block`: columns 32 block + 4t .. + 3, offset included (panel.h).
template <DType kDType>
struct PackedWeights {
  static constexpr const QuantTraits& kTraits = TraitsOf(kDType);
  static constexpr ChunkLayout kChunk = LayOutChunk(kTraits);
  static constexpr int64_t kChunkBlocks = kChunk.cols / 32;
  static constexpr bool kHalves = kTraits.part_length == 16;  // two scales a block of 32 columns
  static constexpr bool kMinima = kTraits.minima;
  static constexpr int kPairs = 0;  // first pairs of quads under winograd-inl.h
  static constexpr int64_t kScaleColumns = ScaleOf(kTraits.activations).columns;

  const uint8_t* panel;

  HWY_INLINE const uint8_t* Chunk(int64_t block) const {
    return panel + block / kChunkBlocks * kChunk.bytes(kChunk.cols);
  }
  HWY_INLINE const uint8_t* Codes(int64_t block) const {
    return Chunk(block) + kChunk.codes + block % kChunkBlocks * kChunk.block_codes;
  }

  template <int t>
  HWY_INLINE U8x64 Quad(int64_t block) const {
    const uint8_t* codes = Codes(block);
    if constexpr (kTraits.bits == 8) {
      return LoadBytes(codes + t * 64);
    } else {
      // The bytes of quads 2i and 2i + 1 are the same; so are the top bits' of more quads.
      const U8x64 low = MoveBits<15, t % 2 * 4, 0>(LoadBytes(codes + t / 2 * 64));
      if constexpr (kTraits.top_bits() == 0) {
        return low;
      } else {
        constexpr int kTop = kTraits.top_bits();
        constexpr int kQuads = 8 / kTop;  // that share a byte
        const U8x64 top = LoadBytes(codes + kChunk.top_bits + t / kQuads * 64);
        return Or(low, MoveBits<(1 << kTop) - 1, t % kQuads * kTop, 4>(top));
      }
    }
  }

  // Of half 0 or 1 of the block under kHalves, else of the whole block.
  HWY_INLINE F32x16 Scale(int64_t block, int half) const {
    const uint8_t* chunk = Chunk(block);
    const int64_t at = block % kChunkBlocks;
    const auto* units = reinterpret_cast<const F16*>(chunk + kChunk.units);
    if constexpr (!kTraits.super_blocks()) return LoadF16(units + at * kPanelRows);
    const int64_t part = kHalves ? at * 2 + half : at;
    const auto* scales = reinterpret_cast<const int8_t*>(chunk + kChunk.scales);
    return Mul(LoadF16(units), LoadI8(scales + part * kPanelRows));
  }

  HWY_INLINE F32x16 Min(int64_t block) const {
    const uint8_t* chunk = Chunk(block);
    const int64_t at = block % kChunkBlocks;
    const auto* units = reinterpret_cast<const F16*>(chunk + kChunk.min_units);
    if constexpr (!kTraits.super_blocks()) return LoadF16(units + at * kPanelRows);
    const auto* minima = reinterpret_cast<const int8_t*>(chunk + kChunk.minima);
    return Mul(LoadF16(units), LoadI8(minima + at * kPanelRows));
  }
};

// The same weights with their values unpacked to bytes: u8 [cols/4][16][4].
template <DType kDType>
struct UnpackedWeights : PackedWeights<kDType> {
  const uint8_t* values;

  template <int t>
  HWY_INLINE U8x64 Quad(int64_t block) const {
    return LoadBytes(values + (block * 8 + t) * 64);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
