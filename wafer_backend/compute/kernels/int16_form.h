// Floats of 16 bits (F16, BF16) are multiplied as integers: one instruction takes two columns of
// each row where a product of f32 takes one, and the sums of 32 columns are exact.
//
// Weights: each row's block of 32 columns has an exponent, and a weight is an integer of up to
// +-2^14 times 2^exponent, rounded to nearest even. The largest of a block fills 14 bits, so a
// weight is off by at most 2^-14 of its block's largest: exact, if it has at least 2^-3 (F16) or
// 2^-6 (BF16) of that one's power of two. Blocks whose largest is below 2^-112 (BF16 alone) have
// steps of 2^-126. Infinite and NaN weights make their row's outputs NaN. (Rows that are only
// looked up, such as embeddings, come from the file and are not rounded: dequantize.h.)
//
// Activations: 128 columns of a row share a scale, the smallest by which no magnitude among them
// exceeds 32767 and the magnitudes of none of its blocks of 32 add up to more than
// kInt16LargestSum; each is off by half a step at most. With normally distributed values both
// roundings are about 5e-5 of the values' deviation: a half of what rounding activations to F16
// costs.
#pragma once

#include <cstdint>

namespace waferline::kernels {

inline constexpr int kInt16WeightBits = 14;
inline constexpr int64_t kInt16Block = 32;          // columns of weights that share an exponent
inline constexpr int64_t kInt16ScaleColumns = 128;  // activations that share a scale
inline constexpr float kInt16Largest = 32767;
inline constexpr float kInt16LargestSum = 131000;  // before they are rounded
// Half a step each, and what f32 arithmetic may be off by.
static_assert(((int64_t{131000} + kInt16Block / 2 + 8) << kInt16WeightBits) <= INT32_MAX);

// Blocks, the last padded with zeros.
constexpr int64_t Int16Blocks(int64_t cols) { return (cols + kInt16Block - 1) / kInt16Block; }

// A chunk of a panel: exponents u8 [4][16], as the upper bits of an f32 (0: zero, 255: not finite),
// then integers i16 [4 blocks][16 pairs][16][2]. The last has as many blocks as are left.
inline constexpr int64_t kInt16ChunkBlocks = kInt16ScaleColumns / kInt16Block;
inline constexpr int64_t kInt16ExponentBytes = kInt16ChunkBlocks * 16;
inline constexpr int64_t kInt16BlockBytes = kInt16Block * 16 * 2;
constexpr int64_t Int16ChunkBytes(int64_t blocks) {
  return kInt16ExponentBytes + blocks * kInt16BlockBytes;
}

}  // namespace waferline::kernels
