// sixteen-inl.h for AVX2: sixteen lanes are two registers.
// No guard of its own: sixteen-inl.h, which alone includes it, has one for each target.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/half.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// Two registers for the running sums of each; the f32 sums of a row, used once a block, may wait in
// memory. (With 2 or 3 as fast within the noise, with more work for the loads.)
inline constexpr int kTileColumns = 4;
inline constexpr int kTilePanels = 1;

struct F32x16 {
  __m256 v[2];
};
struct I32x16 {
  __m256i v[2];
};
struct U8x64 {
  __m256i v[2];
};

// `p`, not to be read before there is `dot`: what is read earlier would take a register meanwhile.
HWY_INLINE const float* After(const float* p, I32x16 dot) {
  asm("" : "+r"(p) : "x"(dot.v[0]));
  return p;
}

HWY_INLINE F32x16 Zero() { return {{_mm256_setzero_ps(), _mm256_setzero_ps()}}; }
HWY_INLINE F32x16 Broadcast(const float* p) {
  const __m256 v = _mm256_set1_ps(*p);
  return {{v, v}};
}
HWY_INLINE I32x16 Broadcast(const int32_t* p) {
  const __m256i v = _mm256_set1_epi32(*p);
  return {{v, v}};
}
HWY_INLINE F32x16 LoadF32(const float* p) { return {{_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}}; }
HWY_INLINE F32x16 LoadF16(const F16* p) {
  const auto half = [p](int i) HWY_ATTR {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8 * i)));
  };
  return {{half(0), half(1)}};
}
HWY_INLINE F32x16 LoadBf16(const BF16* p) {
  const auto half = [p](int i) HWY_ATTR {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8 * i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  };
  return {{half(0), half(1)}};
}
template <int kShift>
HWY_INLINE F32x16 LoadNibbles(const uint8_t* p) {
  const auto half = [p](int i) HWY_ATTR {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8 * i));
    const __m128i nibbles = _mm_and_si128(_mm_srli_epi16(bytes, kShift), _mm_set1_epi8(15));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(nibbles));
  };
  return {{half(0), half(1)}};
}
HWY_INLINE F32x16 LoadExponents(const uint8_t* p) {
  const auto half = [p](int i) HWY_ATTR {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8 * i));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu8_epi32(bytes), 23));
  };
  return {{half(0), half(1)}};
}
HWY_INLINE F32x16 LoadI8(const uint8_t* p) {
  const auto half = [p](int i) HWY_ATTR {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8 * i));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
  };
  return {{half(0), half(1)}};
}
HWY_INLINE void Store(F32x16 a, float* p, int64_t count) {
  if (count == 16) {
    _mm256_storeu_ps(p, a.v[0]);
    _mm256_storeu_ps(p + 8, a.v[1]);
    return;
  }
  float lanes[16];
  std::memcpy(lanes, &a, sizeof(lanes));
  std::copy_n(lanes, count, p);
}
HWY_INLINE F32x16 Add(F32x16 a, F32x16 b) {
  return {{_mm256_add_ps(a.v[0], b.v[0]), _mm256_add_ps(a.v[1], b.v[1])}};
}
HWY_INLINE F32x16 Mul(F32x16 a, F32x16 b) {
  return {{_mm256_mul_ps(a.v[0], b.v[0]), _mm256_mul_ps(a.v[1], b.v[1])}};
}
HWY_INLINE F32x16 MulAdd(F32x16 a, F32x16 b, F32x16 c) {
  return {{_mm256_fmadd_ps(a.v[0], b.v[0], c.v[0]), _mm256_fmadd_ps(a.v[1], b.v[1], c.v[1])}};
}
HWY_INLINE F32x16 NegMulAdd(F32x16 a, F32x16 b, F32x16 c) {
  return {{_mm256_fnmadd_ps(a.v[0], b.v[0], c.v[0]), _mm256_fnmadd_ps(a.v[1], b.v[1], c.v[1])}};
}
HWY_INLINE F32x16 ToFloat(I32x16 a) {
  return {{_mm256_cvtepi32_ps(a.v[0]), _mm256_cvtepi32_ps(a.v[1])}};
}

HWY_INLINE U8x64 LoadBytes(const uint8_t* p) {
  const auto* v = reinterpret_cast<const __m256i*>(p);
  return {{_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1)}};
}
HWY_INLINE void StoreBytes(U8x64 a, uint8_t* p) {
  auto* v = reinterpret_cast<__m256i*>(p);
  _mm256_storeu_si256(v, a.v[0]);
  _mm256_storeu_si256(v + 1, a.v[1]);
}
HWY_INLINE U8x64 BroadcastQuad(const int8_t* p) {
  int32_t bits;
  std::memcpy(&bits, p, 4);
  const __m256i v = _mm256_set1_epi32(bits);
  return {{v, v}};
}
HWY_INLINE U8x64 And(U8x64 a, uint8_t mask) {
  const __m256i m = _mm256_set1_epi8(static_cast<char>(mask));
  return {{_mm256_and_si256(a.v[0], m), _mm256_and_si256(a.v[1], m)}};
}
HWY_INLINE U8x64 LookUp(const uint8_t (&table)[16], U8x64 places) {
  const __m128i lane = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  const __m256i values = _mm256_broadcastsi128_si256(lane);
  return {{_mm256_shuffle_epi8(values, places.v[0]), _mm256_shuffle_epi8(values, places.v[1])}};
}
HWY_INLINE U8x64 Or(U8x64 a, U8x64 b) {
  return {{_mm256_or_si256(a.v[0], b.v[0]), _mm256_or_si256(a.v[1], b.v[1])}};
}
template <int kBits>
HWY_INLINE U8x64 ShiftLeft(U8x64 a) {
  return {{_mm256_slli_epi16(a.v[0], kBits), _mm256_slli_epi16(a.v[1], kBits)}};
}
template <int kBits>
HWY_INLINE U8x64 ShiftRight(U8x64 a) {
  return {{_mm256_srli_epi16(a.v[0], kBits), _mm256_srli_epi16(a.v[1], kBits)}};
}

// Keeps the order of additions, which is free: the compiler would rather add in a tree, and run out
// of registers.
template <class Sums>
HWY_INLINE Sums InOrder(Sums a) {
  asm("" : "+x"(a.v[0]), "+x"(a.v[1]));
  return a;
}
HWY_INLINE I32x16 ZeroI32() { return {{_mm256_setzero_si256(), _mm256_setzero_si256()}}; }
HWY_INLINE I32x16 Add(I32x16 a, I32x16 b) {
  return {{_mm256_add_epi32(a.v[0], b.v[0]), _mm256_add_epi32(a.v[1], b.v[1])}};
}

// Of 16-bit integers, added in place: the compiler would rather copy sums, and add in a tree.
HWY_INLINE I32x16 DotPairs(I32x16 sum, U8x64 w, U8x64 x) {
  for (int i = 0; i < 2; ++i) {
    __m256i products;
    asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
        : "+x"(sum.v[i]), "=&x"(products)
        : "x"(w.v[i]), "x"(x.v[i]));
  }
  return sum;
}

// Of each lane's quad, exact; AVX-VNNI alone. As asm because Highway's AVX2 target does not name it
// to the compiler.
HWY_INLINE I32x16 DotQuad(I32x16 sum, U8x64 w, U8x64 x) {
  for (int i = 0; i < 2; ++i) {
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.v[i]) : "x"(w.v[i]), "x"(x.v[i]));
  }
  return sum;
}
HWY_INLINE I32x16 DotQuad(I32x16 sum, U8x64 w, const int8_t* x) {
  return DotQuad(sum, w, BroadcastQuad(x));
}
HWY_INLINE I32x16 DotPairsVnni(I32x16 sum, U8x64 w, U8x64 x) {
  for (int i = 0; i < 2; ++i) {
    asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum.v[i]) : "x"(w.v[i]), "x"(x.v[i]));
  }
  return sum;
}

// Of each quad two sums of products of two neighbours.
struct I16x32 {
  __m256i v[2];
};
HWY_INLINE I16x32 Add(I16x32 a, I16x32 b) {
  return {{_mm256_add_epi16(a.v[0], b.v[0]), _mm256_add_epi16(a.v[1], b.v[1])}};
}
HWY_INLINE I32x16 AddPairs(I16x32 a) {
  const __m256i ones = _mm256_set1_epi16(1);
  return {{_mm256_madd_epi16(a.v[0], ones), _mm256_madd_epi16(a.v[1], ones)}};
}
// x: a quad of -127 .. 127. vpmaddubsw saturates, but not for weights up to 129, nor for those of
// types that are paired() and activations for them.
HWY_INLINE I16x32 MulPairs(U8x64 w, const int8_t* x) {
  const __m256i xs = BroadcastQuad(x).v[0];
  return {{_mm256_maddubs_epi16(w.v[0], xs), _mm256_maddubs_epi16(w.v[1], xs)}};
}

// How many quads of weights 0 .. largest have sums of pairs that 16 bits hold, whatever the
// activations: 8, 4, 2, or none (QuantTraits::wide).
constexpr int QuadsTogether(int largest) {
  const int fitting = 32767 / (2 * 127 * largest);
  return fitting >= 8 ? 8 : fitting >= 4 ? 4 : fitting >= 2 ? 2 : 0;
}

// A quad of weights of 8 bits as 16: columns 0 and 2 of a lane, then 1 and 3, as Int8Rows::wide has
// them. (Products of bytes need the weights' signs turned into the activations first: a third more
// of the instructions that only two of Zen 4's four units take, 0.86 times as fast.)
struct WideQuad {
  __m256i even[2];
  __m256i odd[2];
  explicit HWY_INLINE WideQuad(U8x64 w) {
    for (int i = 0; i < 2; ++i) {
      even[i] = _mm256_and_si256(w.v[i], _mm256_set1_epi16(0xff));
      odd[i] = _mm256_srli_epi16(w.v[i], 8);
    }
  }
  // x: four numbers of 16 bits.
  HWY_INLINE I32x16 Dot(const int8_t* x, I32x16 sum) const {
    const __m256i x_even = BroadcastQuad(x).v[0];
    for (int i = 0; i < 2; ++i) {
      sum.v[i] = _mm256_add_epi32(sum.v[i], _mm256_madd_epi16(even[i], x_even));
    }
    sum = InOrder(sum);
    const __m256i x_odd = BroadcastQuad(x + 4).v[0];
    for (int i = 0; i < 2; ++i) {
      sum.v[i] = _mm256_add_epi32(sum.v[i], _mm256_madd_epi16(odd[i], x_odd));
    }
    return InOrder(sum);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();
