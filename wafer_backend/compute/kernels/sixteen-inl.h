// Sixteen lanes, one for each row of a panel, in every CPU path: one AVX-512 register, two AVX2
// registers, or an array. Lane i of a result depends on lane i of the arguments only. Inner part of
// the kernels; compiled once for each Highway target.
//
// VNNI and BF16 instructions are written as asm because Highway's AVX3 target does not name those
// features to the compiler; their memory operand is broadcast from 4 bytes, which spares a register
// and an instruction each.
#if defined(WAFERLINE_SIXTEEN_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef WAFERLINE_SIXTEEN_INL_H
#undef WAFERLINE_SIXTEEN_INL_H
#else
#define WAFERLINE_SIXTEEN_INL_H
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/half.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

// 2^e, e within the exponents of normal numbers.
HWY_INLINE float TwoTo(int e) {
  const int32_t bits = (e + 127) << 23;
  float power;
  std::memcpy(&power, &bits, 4);
  return power;
}

#if HWY_TARGET == HWY_AVX3

inline constexpr int kTileColumns = 12;  // int32 and f32 sums of each fill 24 of 32 registers
inline constexpr int kTilePanels = 2;    // or half the columns of two panels

struct F32x16 {
  __m512 v;
};
struct I32x16 {
  __m512i v;
};
struct U8x64 {
  __m512i v;
};

HWY_INLINE F32x16 Zero() { return {_mm512_setzero_ps()}; }
HWY_INLINE F32x16 Broadcast(const float* p) { return {_mm512_set1_ps(*p)}; }
HWY_INLINE I32x16 Broadcast(const int32_t* p) { return {_mm512_set1_epi32(*p)}; }
HWY_INLINE F32x16 LoadF32(const float* p) { return {_mm512_loadu_ps(p)}; }
HWY_INLINE F32x16 LoadF16(const F16* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
HWY_INLINE F32x16 LoadI8(const int8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}
HWY_INLINE __mmask16 FirstLanes(int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }
HWY_INLINE void Store(F32x16 a, float* p, int64_t count) {
  _mm512_mask_storeu_ps(p, FirstLanes(count), a.v);
}
HWY_INLINE F32x16 Mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
HWY_INLINE F32x16 MulAdd(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
HWY_INLINE F32x16 NegMulAdd(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}
HWY_INLINE F32x16 ToFloat(I32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }
// Multiplying by a power of two needs no multiplier here: the form of 2^e is e.
HWY_INLINE float PowerOfTwo(int e) { return static_cast<float>(e); }
HWY_INLINE F32x16 TimesPowerOfTwo(F32x16 a, const float* form) {
  return {_mm512_scalef_ps(a.v, _mm512_set1_ps(*form))};
}

HWY_INLINE I32x16 Add(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
HWY_INLINE I32x16 Negate(I32x16 a) { return {_mm512_sub_epi32(_mm512_setzero_si512(), a.v)}; }
HWY_INLINE I32x16 LoadI32(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
HWY_INLINE void Store(I32x16 a, int32_t* p, int64_t count = 16) {
  _mm512_mask_storeu_epi32(p, FirstLanes(count), a.v);
}

HWY_INLINE U8x64 LoadBytes(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
HWY_INLINE void StoreBytes(U8x64 a, uint8_t* p) { _mm512_storeu_si512(p, a.v); }
HWY_INLINE U8x64 AddBytes(U8x64 a, U8x64 b) { return {_mm512_add_epi8(a.v, b.v)}; }
HWY_INLINE U8x64 BroadcastByte(int value) { return {_mm512_set1_epi8(static_cast<char>(value))}; }
HWY_INLINE U8x64 BroadcastQuad(const int8_t* p) {
  return {_mm512_set1_epi32(*reinterpret_cast<const int32_t*>(p))};
}
HWY_INLINE U8x64 LoadQuads(const int8_t* p, int64_t count) {
  return {_mm512_maskz_loadu_epi32(FirstLanes(count), p)};
}
HWY_INLINE U8x64 And(U8x64 a, uint8_t mask) {
  return {_mm512_and_si512(a.v, _mm512_set1_epi8(static_cast<char>(mask)))};
}
HWY_INLINE U8x64 Or(U8x64 a, U8x64 b) { return {_mm512_or_si512(a.v, b.v)}; }
// Shifts move bits between neighbouring bytes: mask where that matters.
template <int kBits>
HWY_INLINE U8x64 ShiftLeft(U8x64 a) {
  return {_mm512_slli_epi16(a.v, kBits)};
}
template <int kBits>
HWY_INLINE U8x64 ShiftRight(U8x64 a) {
  return {_mm512_srli_epi16(a.v, kBits)};
}

// sum[lane] += w[4 lane + i] * x[i], i < 4; exact.
HWY_INLINE I32x16 DotQuad(I32x16 sum, U8x64 w, const int8_t* x) {
  asm("vpdpbusd %2%{1to16%}, %1, %0"
      : "+v"(sum.v)
      : "v"(w.v), "m"(*reinterpret_cast<const int32_t*>(x)));
  return sum;
}
// The same with signed x[4 lane + i].
HWY_INLINE I32x16 DotQuad(I32x16 sum, U8x64 w, U8x64 x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(w.v), "v"(x.v));
  return sum;
}

#elif HWY_TARGET == HWY_AVX2

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
HWY_INLINE F32x16 LoadI8(const int8_t* p) {
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
HWY_INLINE U8x64 And(U8x64 a, uint8_t mask) {
  const __m256i m = _mm256_set1_epi8(static_cast<char>(mask));
  return {{_mm256_and_si256(a.v[0], m), _mm256_and_si256(a.v[1], m)}};
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

// Products of bytes 0, 2 and of 1, 3 as 16-bit pairs: unlike maddubs they cannot saturate.
HWY_INLINE I32x16 DotQuad(I32x16 sum, U8x64 w, const int8_t* x) {
  int32_t bits;
  std::memcpy(&bits, x, 4);
  const __m256i xs = _mm256_set1_epi32(bits);
  const __m256i x_even = _mm256_srai_epi16(_mm256_slli_epi16(xs, 8), 8);
  const __m256i x_odd = _mm256_srai_epi16(xs, 8);
  for (int i = 0; i < 2; ++i) {
    const __m256i w_even = _mm256_and_si256(w.v[i], _mm256_set1_epi16(255));
    const __m256i w_odd = _mm256_srli_epi16(w.v[i], 8);
    sum.v[i] = _mm256_add_epi32(sum.v[i], _mm256_add_epi32(_mm256_madd_epi16(w_even, x_even),
                                                           _mm256_madd_epi16(w_odd, x_odd)));
  }
  return sum;
}

#else

inline constexpr int kTileColumns = 2;
inline constexpr int kTilePanels = 1;

struct F32x16 {
  float v[16];
};
struct I32x16 {
  int32_t v[16];
};
struct U8x64 {
  uint8_t v[64];
};

template <typename Vector, typename Lane>
HWY_INLINE Vector EachLane(Lane&& lane) {
  Vector result;
  int i = 0;
  for (auto& v : result.v) v = static_cast<std::remove_reference_t<decltype(v)> >(lane(i++));
  return result;
}

HWY_INLINE F32x16 Zero() { return {}; }
HWY_INLINE F32x16 Broadcast(const float* p) {
  return EachLane<F32x16>([p](int) { return *p; });
}
HWY_INLINE I32x16 Broadcast(const int32_t* p) {
  return EachLane<I32x16>([p](int) { return *p; });
}
HWY_INLINE F32x16 LoadF32(const float* p) {
  return EachLane<F32x16>([p](int i) { return p[i]; });
}
HWY_INLINE F32x16 LoadF16(const F16* p) {
  return EachLane<F32x16>([p](int i) { return FloatFromF16(p[i]); });
}
HWY_INLINE F32x16 LoadI8(const int8_t* p) {
  return EachLane<F32x16>([p](int i) { return p[i]; });
}
HWY_INLINE void Store(const F32x16& a, float* p, int64_t count) { std::copy_n(a.v, count, p); }
HWY_INLINE F32x16 Mul(const F32x16& a, const F32x16& b) {
  return EachLane<F32x16>([&](int i) { return a.v[i] * b.v[i]; });
}
HWY_INLINE F32x16 MulAdd(const F32x16& a, const F32x16& b, const F32x16& c) {
  return EachLane<F32x16>([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
HWY_INLINE F32x16 NegMulAdd(const F32x16& a, const F32x16& b, const F32x16& c) {
  return EachLane<F32x16>([&](int i) { return c.v[i] - a.v[i] * b.v[i]; });
}
HWY_INLINE F32x16 ToFloat(const I32x16& a) {
  return EachLane<F32x16>([&](int i) { return a.v[i]; });
}

HWY_INLINE U8x64 LoadBytes(const uint8_t* p) {
  U8x64 result;
  std::memcpy(result.v, p, 64);
  return result;
}
HWY_INLINE void StoreBytes(const U8x64& a, uint8_t* p) { std::memcpy(p, a.v, 64); }
HWY_INLINE U8x64 And(const U8x64& a, uint8_t mask) {
  return EachLane<U8x64>([&](int i) { return a.v[i] & mask; });
}
HWY_INLINE U8x64 Or(const U8x64& a, const U8x64& b) {
  return EachLane<U8x64>([&](int i) { return a.v[i] | b.v[i]; });
}
template <int kBits>
HWY_INLINE U8x64 ShiftLeft(const U8x64& a) {
  return EachLane<U8x64>([&](int i) { return a.v[i] << kBits; });
}
template <int kBits>
HWY_INLINE U8x64 ShiftRight(const U8x64& a) {
  return EachLane<U8x64>([&](int i) { return a.v[i] >> kBits; });
}

HWY_INLINE I32x16 DotQuad(const I32x16& sum, const U8x64& w, const int8_t* x) {
  return EachLane<I32x16>([&](int i) {
    const uint8_t* quad = w.v + 4 * i;
    return sum.v[i] + quad[0] * x[0] + quad[1] * x[1] + quad[2] * x[2] + quad[3] * x[3];
  });
}

#endif

#if HWY_TARGET != HWY_AVX3
HWY_INLINE float PowerOfTwo(int e) { return TwoTo(e); }
HWY_INLINE F32x16 TimesPowerOfTwo(F32x16 a, const float* form) { return Mul(a, Broadcast(form)); }
HWY_INLINE U8x64 BroadcastQuad(const int8_t* p) {
  uint8_t bytes[64];
  for (int i = 0; i < 64; i += 4) std::memcpy(bytes + i, p, 4);
  return LoadBytes(bytes);
}
#endif

// The bit field `mask << kFrom` of each byte, moved to start at bit kTo. Fields stay in their byte.
template <uint8_t kMask, int kFrom, int kTo>
HWY_INLINE U8x64 MoveBits(U8x64 a) {
  const U8x64 field = And(a, static_cast<uint8_t>(kMask << kFrom));
  if constexpr (kFrom < kTo) {
    return ShiftLeft<kTo - kFrom>(field);
  } else if constexpr (kFrom > kTo) {
    return ShiftRight<kFrom - kTo>(field);
  } else {
    return field;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#endif  // include guard
