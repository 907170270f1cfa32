// Readers of quantised panels (panel.h): the next four columns of all sixteen rows as unsigned
// bytes, and the float scale of each part. Inner part of quantised_matmul-inl.h; compiled once for
// each Highway target.
#if defined(WAFERLINE_QUANTISED_WEIGHTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_QUANTISED_WEIGHTS_INL_H
#undef WAFERLINE_QUANTISED_WEIGHTS_INL_H
#else
#define WAFERLINE_QUANTISED_WEIGHTS_INL_H
#endif

#include <cstdint>
#include <utility>

#include "wafer_backend/compute/kernels/activations.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/kernels/panel.h"
#include "wafer_backend/compute/kernels/products.h"
#include "wafer_backend/compute/kernels/quant_traits.h"
#include "wafer_backend/compute/kernels/sixteen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// What the codes of a type with a code book stand for, with its offset.
template <DType kDType>
struct UnsignedValues {
  uint8_t table[16];
  constexpr UnsignedValues() : table() {
    for (uint8_t code = 0; code < 16; ++code) {
      table[code] = static_cast<uint8_t>(TraitsOf(kDType).ValueOf(code) + TraitsOf(kDType).offset);
    }
  }
};

// Quad t (0..7) of block `block`: columns 32 block + 4t .. + 3, offset included (panel.h).
// kAvxVnni matters on AVX2 alone.
template <DType kDType, bool kAvxVnni>
struct PackedWeights {
  static constexpr bool kVnni = HWY_TARGET == HWY_AVX3 || kAvxVnni;
  static constexpr const QuantTraits& kTraits = TraitsOf(kDType);
  static constexpr ChunkLayout kChunk = LayOutChunk(kTraits);
  static constexpr int64_t kChunkBlocks = kChunk.cols / 32;
  static constexpr bool kHalves = kTraits.part_length == 16;  // two scales a block of 32 columns
  static constexpr bool kMinima = kTraits.minima;
  static constexpr int kLargest = kTraits.largest();
  static constexpr int kPairs = 0;  // first pairs of quads under winograd-inl.h
  static constexpr int64_t kScaleColumns = ScaleOf(kTraits.activations).columns;

  const uint8_t* panel;

  HWY_INLINE const uint8_t* Chunk(int64_t block) const {
    return panel + block / kChunkBlocks * kChunk.bytes(kChunk.cols);
  }

  template <int t>
  HWY_INLINE U8x64 Quad(int64_t block) const {
    const uint8_t* codes = Chunk(block) + kChunk.codes + block % kChunkBlocks * kChunk.block_codes;
    const U8x64 low = Bits<t, kTraits.low_bits(), 0>(codes + kChunk.low_bits);
    if constexpr (kTraits.values.has_value()) {
      static constexpr UnsignedValues<kDType> kValues;
      return LookUp(kValues.table, low);
    } else if constexpr (kTraits.top_bits() != 0) {
      constexpr int kTop = kTraits.top_bits();
      return Or(low, Bits<t, kTop, kTraits.low_bits()>(codes));
    } else {
      return low;
    }
  }

  // Of half 0 or 1 of the block under kHalves, else of the whole block; so is Min.
  HWY_INLINE F32x16 Scale(int64_t block, int half) const {
    const uint8_t* chunk = Chunk(block);
    const uint8_t* scale = chunk + kChunk.scales + Part(block, half) * kPanelRows;
    if constexpr (!kTraits.super_blocks()) {
      return Unit(chunk + kChunk.units, block);
    } else if constexpr (kTraits.nibble_scales) {
      return Mul(Unit(chunk + kChunk.units, block), LoadNibbles<0>(scale));
    } else {
      return Mul(Unit(chunk + kChunk.units, block), LoadI8(scale));
    }
  }

  HWY_INLINE F32x16 Min(int64_t block, int half) const {
    const uint8_t* chunk = Chunk(block);
    const int64_t part = Part(block, half) * kPanelRows;
    if constexpr (!kTraits.super_blocks()) {
      return Unit(chunk + kChunk.min_units, block);
    } else if constexpr (kTraits.nibble_scales) {
      return Mul(Unit(chunk + kChunk.min_units, block),
                 LoadNibbles<4>(chunk + kChunk.scales + part));
    } else {
      return Mul(Unit(chunk + kChunk.min_units, block), LoadI8(chunk + kChunk.minima + part));
    }
  }

 private:
  // Of quad t: kBits bits of each code, moved to start at bit kTo. So many quads share 64 bytes.
  template <int t, int kBits, int kTo>
  static HWY_INLINE U8x64 Bits(const uint8_t* codes) {
    constexpr int kQuads = 8 / kBits;
    const U8x64 bytes = LoadBytes(codes + t / kQuads * 64);
    if constexpr (kBits == 8) return bytes;
    return MoveBits<static_cast<uint8_t>((1 << kBits) - 1), t % kQuads * kBits, kTo>(bytes);
  }
  // Within the chunk.
  static HWY_INLINE int64_t Part(int64_t block, int half) {
    return kHalves ? block % kChunkBlocks * 2 + half : block % kChunkBlocks;
  }
  static HWY_INLINE F32x16 Unit(const uint8_t* units, int64_t block) {
    if constexpr (!kTraits.super_blocks()) units += block % kChunkBlocks * kPanelRows * 2;
    const auto* bits = reinterpret_cast<const uint16_t*>(units);
    return kTraits.unit == UnitForm::kE8M0 ? LoadBf16(bits) : LoadF16(bits);
  }
};

// The same weights unpacked for several groups to read (UnpackedBlockBytes): of each block u8
// [8][16][4], then scales and minima of its parts, f32 [16] each.
template <DType kDType, bool kAvxVnni>
struct UnpackedWeights {
  using Packed = PackedWeights<kDType, kAvxVnni>;
  static constexpr bool kVnni = Packed::kVnni;
  static constexpr const QuantTraits& kTraits = Packed::kTraits;
  static constexpr bool kHalves = Packed::kHalves;
  static constexpr bool kMinima = Packed::kMinima;
  static constexpr int kLargest = Packed::kLargest;
  static constexpr int kPairs = 0;
  static constexpr int64_t kScaleColumns = Packed::kScaleColumns;
  static constexpr int64_t kBlockBytes = UnpackedBlockBytes(kTraits);
  static constexpr int kParts = kHalves ? 2 : 1;

  uint8_t* blocks;

  template <int t>
  HWY_INLINE U8x64 Quad(int64_t block) const {
    return LoadBytes(blocks + block * kBlockBytes + t * 64);
  }
  HWY_INLINE F32x16 Scale(int64_t block, int half) const { return LoadF32(Numbers(block, half)); }
  HWY_INLINE F32x16 Min(int64_t block, int half) const {
    return LoadF32(Numbers(block, kParts + half));
  }

  HWY_NOINLINE void Unpack(const Packed& from, int64_t count) const {
    for (int64_t block = 0; block < count; ++block) {
      [&]<int... t>(std::integer_sequence<int, t...>) HWY_ATTR {
        (StoreBytes(from.template Quad<t>(block), blocks + block * kBlockBytes + t * 64), ...);
      }
      (std::make_integer_sequence<int, 8>());
      for (int half = 0; half < kParts; ++half) {
        Store(from.Scale(block, half), Numbers(block, half), kPanelRows);
        if constexpr (kMinima) {
          Store(from.Min(block, half), Numbers(block, kParts + half), kPanelRows);
        }
      }
    }
  }

 private:
  HWY_INLINE float* Numbers(int64_t block, int place) const {
    return reinterpret_cast<float*>(blocks + block * kBlockBytes + 8 * 64) + place * kPanelRows;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
