// Readers of quantised panels (panel.h): the next four columns of all sixteen rows as unsigned
// bytes, and the float scale of each part. Inner part of quantised_matmul.cc; compiled once for
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
#include "wafer_backend/compute/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// Quad t (0..7) of block `block`: columns 32 block + 4t .. + 3, offset included (panel.h).
template <DType kDType>
struct PackedWeights {
  static constexpr ChunkLayout kChunk = LayOutChunk(kDType);
  static constexpr int64_t kChunkBlocks = kChunk.cols / 32;
  static constexpr bool kHalves = kDType == DType::kQ6_K;  // two scales a block of 32 columns
  static constexpr bool kMinima = kDType == DType::kQ4_K || kDType == DType::kQ5_K;
  static constexpr int kPairs = 0;  // first pairs of quads under winograd-inl.h
  static constexpr int64_t kScaleColumns = Int8ScaleFor(kDType).columns;  // of activations

  const uint8_t* panel;

  HWY_INLINE const uint8_t* Chunk(int64_t block) const {
    return panel + block / kChunkBlocks * kChunk.bytes;
  }

  template <int t>
  HWY_INLINE U8x64 Quad(int64_t block) const {
    const uint8_t* chunk = Chunk(block);
    const int64_t at = block % kChunkBlocks;
    if constexpr (kDType == DType::kQ8_0) {
      return LoadBytes(chunk + kChunk.values + (at * 8 + t) * 64);
    } else {
      const U8x64 nibbles = LoadBytes(chunk + kChunk.values + (at * 4 + t / 2) * 64);
      const U8x64 low = MoveBits<15, t % 2 * 4, 0>(nibbles);
      if constexpr (kDType == DType::kQ5_K) {
        return Or(low, MoveBits<1, t, 4>(LoadBytes(chunk + kChunk.top_bits + at * 64)));
      } else if constexpr (kDType == DType::kQ6_K) {
        const uint8_t* top = chunk + kChunk.top_bits + (at * 2 + t / 4) * 64;
        return Or(low, MoveBits<3, t % 4 * 2, 4>(LoadBytes(top)));
      } else {
        return low;
      }
    }
  }

  // Of half 0 or 1 of the block under kHalves, else of the whole block.
  HWY_INLINE F32x16 Scale(int64_t block, int half) const {
    const uint8_t* chunk = Chunk(block);
    const int64_t at = block % kChunkBlocks;
    const auto* units = reinterpret_cast<const F16*>(chunk + kChunk.units);
    if constexpr (kChunkBlocks == 2) return LoadF16(units + at * kPanelRows);
    const int64_t part = kHalves ? at * 2 + half : at;
    const auto* scales = reinterpret_cast<const int8_t*>(chunk + kChunk.scales);
    return Mul(LoadF16(units), LoadI8(scales + part * kPanelRows));
  }

  HWY_INLINE F32x16 Min(int64_t block) const {
    const uint8_t* chunk = Chunk(block);
    const auto* minima = reinterpret_cast<const int8_t*>(chunk + kChunk.minima);
    return Mul(LoadF16(reinterpret_cast<const F16*>(chunk + kChunk.min_units)),
               LoadI8(minima + block % kChunkBlocks * kPanelRows));
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
