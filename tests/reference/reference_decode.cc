// Blocks of GGUF files as doubles, from the descriptions of the block structures in ggml's format
// documentation.
#include <cmath>
#include <cstring>

#include "tests/reference/reference_model.h"
#include "wafer_backend/base/check.h"

namespace waferline::reference {
namespace {

using kernels::DType;
using Bytes8 = const uint8_t*;

double Half(Bytes8 p) {
  const int bits = p[0] | p[1] << 8;
  const int exponent = (bits >> 10) & 31;
  const double fraction = (bits & 1023) / 1024.0;
  const double size =
      exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
  return (bits & 0x8000) != 0 ? -size : size;
}

double BrainHalf(Bytes8 p) {
  const uint32_t bits = static_cast<uint32_t>(p[0] | p[1] << 8) << 16;
  float value = 0;
  std::memcpy(&value, &bits, 4);
  return value;
}

void BlockQ8_0(Bytes8 p, double* out) {
  for (int i = 0; i < 32; ++i) out[i] = Half(p) * static_cast<int8_t>(p[2 + i]);
}

void BlockQ4_0(Bytes8 p, double* out) {
  for (int i = 0; i < 32; ++i) {
    const int nibble = i < 16 ? p[2 + i] & 15 : p[2 + i - 16] >> 4;
    out[i] = Half(p) * (nibble - 8);
  }
}

// Q4_1, Q5_0, Q5_1: after the f16 step the f16 offset of the _1 types, 32 fifth bits of the 5-bit
// ones (little endian, bit i of element i), then nibbles as in Q4_0.
void BlockOf32(Bytes8 p, bool offset, bool five, double* out) {
  const double step = Half(p);
  const double base = offset ? Half(p + 2) : -16 * step;
  Bytes8 fifth = p + (offset ? 4 : 2);
  Bytes8 nibbles = fifth + (five ? 4 : 0);
  for (int i = 0; i < 32; ++i) {
    int value = i < 16 ? nibbles[i] & 15 : nibbles[i - 16] >> 4;
    if (five && (fifth[i >> 3] & 1 << (i & 7)) != 0) value += 16;
    out[i] = step * value + base;
  }
}

// IQ4_NL and IQ4_XS: the 16 values of a nibble, spaced like normally distributed weights.
constexpr int kNormal16[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                             1,    13,   25,  38,  53,  69,  89,  113};

void BlockIQ4_NL(Bytes8 p, double* out) {
  for (int i = 0; i < 32; ++i) {
    out[i] = Half(p) * kNormal16[i < 16 ? p[2 + i] & 15 : p[2 + i - 16] >> 4];
  }
}

void BlockIQ4_XS(Bytes8 p, double* out) {
  const int high = p[2] | p[3] << 8;
  for (int i = 0; i < 256; ++i) {
    const int part = i / 32, within = i % 32;
    const int byte = p[8 + part * 16 + within % 16];
    const int low = part % 2 == 0 ? p[4 + part / 2] & 15 : p[4 + part / 2] >> 4;
    const int scale = low + 16 * (high >> 2 * part & 3) - 32;
    out[i] = Half(p) * scale * kNormal16[within < 16 ? byte & 15 : byte >> 4];
  }
}

// Blocks of 32 four-bit floats (sign, two bits of exponent with bias 1, one of mantissa) that share
// a power of two (a byte, bias 127). OCP Microscaling Formats v1.0, 5.3.
void BlockMXFP4(Bytes8 p, double* out) {
  for (int i = 0; i < 32; ++i) {
    const int code = i < 16 ? p[1 + i] & 15 : p[1 + i - 16] >> 4;
    const int exponent = code >> 1 & 3, mantissa = code & 1;
    const double size =
        exponent == 0 ? mantissa * 0.5 : std::ldexp(1 + mantissa * 0.5, exponent - 1);
    out[i] = std::ldexp((code & 8) != 0 ? -size : size, p[0] - 127);
  }
}

void BlockQ2_K(Bytes8 p, double* out) {
  for (int i = 0; i < 256; ++i) {
    const int value = p[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    const int scale = p[i / 16];
    out[i] = Half(p + 80) * (scale & 15) * value - Half(p + 82) * (scale >> 4);
  }
}

void BlockQ3_K(Bytes8 p, double* out) {
  Bytes8 scales = p + 96;
  for (int i = 0; i < 256; ++i) {
    const int part = i / 16;
    const int low = p[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    const int value = (p[i % 32] >> (i / 32) & 1) != 0 ? low : low - 4;
    const int nibble = part < 8 ? scales[part] & 15 : scales[part - 8] >> 4;
    const int scale = nibble + (scales[8 + part % 4] >> (part / 4 * 2) & 3) * 16 - 32;
    out[i] = Half(p + 108) * scale * value;
  }
}

// The 6-bit scale (which = 0) or minimum (which = 1) of part j < 8 of a Q4_K or Q5_K block.
int SixBits(Bytes8 packed, int j, int which) {
  if (j < 4) return packed[j + 4 * which] & 63;
  const int low = which == 0 ? packed[j + 4] & 15 : packed[j + 4] >> 4;
  return low | (packed[j - 4 + 4 * which] >> 6) << 4;
}

void BlockQ4_KQ5_K(Bytes8 p, bool five, double* out) {
  const double unit = Half(p), min_unit = Half(p + 2);
  Bytes8 nibbles = p + (five ? 48 : 16);
  for (int i = 0; i < 256; ++i) {
    const int part = i / 32, within = i % 32;
    const int byte = nibbles[(i / 64) * 32 + within];
    int value = part % 2 == 0 ? byte & 15 : byte >> 4;
    if (five) value += ((p[16 + within] >> part) & 1) * 16;
    out[i] = unit * SixBits(p + 4, part, 0) * value - min_unit * SixBits(p + 4, part, 1);
  }
}

void BlockQ6_K(Bytes8 p, double* out) {
  const double unit = Half(p + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, within = i % 32;
    const int low = p[half * 64 + (quarter % 2) * 32 + within];
    const int high = p[128 + half * 32 + within] >> (2 * quarter) & 3;
    const int value = ((quarter < 2 ? low & 15 : low >> 4) | high << 4) - 32;
    out[i] = unit * static_cast<int8_t>(p[192 + i / 16]) * value;
  }
}

void Block(DType dtype, Bytes8 p, double* out) {
  float f32 = 0;
  switch (dtype) {
    case DType::kF32:
      std::memcpy(&f32, p, 4);
      *out = f32;
      return;
    case DType::kF16:
      *out = Half(p);
      return;
    case DType::kBF16:
      *out = BrainHalf(p);
      return;
    case DType::kQ8_0:
      return BlockQ8_0(p, out);
    case DType::kQ4_0:
      return BlockQ4_0(p, out);
    case DType::kQ4_1:
      return BlockOf32(p, true, false, out);
    case DType::kQ5_0:
      return BlockOf32(p, false, true, out);
    case DType::kQ5_1:
      return BlockOf32(p, true, true, out);
    case DType::kIQ4_NL:
      return BlockIQ4_NL(p, out);
    case DType::kMXFP4:
      return BlockMXFP4(p, out);
    case DType::kQ2_K:
      return BlockQ2_K(p, out);
    case DType::kQ3_K:
      return BlockQ3_K(p, out);
    case DType::kIQ4_XS:
      return BlockIQ4_XS(p, out);
    case DType::kQ4_K:
      return BlockQ4_KQ5_K(p, false, out);
    case DType::kQ5_K:
      return BlockQ4_KQ5_K(p, true, out);
    case DType::kQ6_K:
      return BlockQ6_K(p, out);
  }
}

// Bytes and elements of one block, again from the format's description.
struct Size {
  int64_t bytes, elements;
};
Size SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return {4, 1};
    case DType::kF16:
    case DType::kBF16:
      return {2, 1};
    case DType::kQ8_0:
      return {34, 32};
    case DType::kQ4_0:
      return {18, 32};
    case DType::kQ4_1:
      return {20, 32};
    case DType::kQ5_0:
      return {22, 32};
    case DType::kQ5_1:
      return {24, 32};
    case DType::kIQ4_NL:
      return {18, 32};
    case DType::kMXFP4:
      return {17, 32};
    case DType::kQ2_K:
      return {84, 256};
    case DType::kQ3_K:
      return {110, 256};
    case DType::kIQ4_XS:
      return {136, 256};
    case DType::kQ4_K:
      return {144, 256};
    case DType::kQ5_K:
      return {176, 256};
    case DType::kQ6_K:
      return {210, 256};
  }
  return {0, 0};
}

}  // namespace

std::vector<double> Decode(const model::GgufTensor& tensor) {
  WL_CHECK(tensor.dtype.has_value());
  const Size size = SizeOf(*tensor.dtype);
  std::vector<double> out(tensor.elements());
  WL_CHECK(static_cast<int64_t>(tensor.bytes.size()) ==
           tensor.elements() / size.elements * size.bytes);
  const auto* bytes = reinterpret_cast<Bytes8>(tensor.bytes.data());
  for (int64_t i = 0; i < tensor.elements() / size.elements; ++i) {
    Block(*tensor.dtype, bytes + i * size.bytes, out.data() + i * size.elements);
  }
  return out;
}

}  // namespace waferline::reference
