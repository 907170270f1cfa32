// sixteen-inl.h for AVX-512: sixteen lanes are one register.
//
// VNNI and BF16 instructions are written as asm because Highway's AVX3 target does not name those
// features to the compiler. VNNI's memory operand is broadcast from 4 bytes, which spares a
// register and an instruction each. No guard of its own: sixteen-inl.h, which alone includes it,
// has one for each target.

#include <cstdint>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/half.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

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

// `p`, not to be read before there is `dot`: what is read earlier would take a register meanwhile.
HWY_INLINE const float* After(const float* p, I32x16 dot) {
  asm("" : "+r"(p) : "v"(dot.v));
  return p;
}

HWY_INLINE F32x16 Zero() { return {_mm512_setzero_ps()}; }
HWY_INLINE F32x16 Broadcast(const float* p) { return {_mm512_set1_ps(*p)}; }
HWY_INLINE I32x16 Broadcast(const int32_t* p) { return {_mm512_set1_epi32(*p)}; }
HWY_INLINE F32x16 LoadF32(const float* p) { return {_mm512_loadu_ps(p)}; }
HWY_INLINE F32x16 LoadF16(const F16* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
HWY_INLINE F32x16 LoadBf16(const BF16* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
// Powers of two by their f32's upper bits.
HWY_INLINE F32x16 LoadExponents(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu8_epi32(bytes), 23))};
}
HWY_INLINE F32x16 LoadI8(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}
template <int kShift>
HWY_INLINE F32x16 LoadNibbles(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i nibbles = _mm_and_si128(_mm_srli_epi16(bytes, kShift), _mm_set1_epi8(15));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(nibbles))};
}
HWY_INLINE __mmask16 FirstLanes(int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }
HWY_INLINE void Store(F32x16 a, float* p, int64_t count) {
  _mm512_mask_storeu_ps(p, FirstLanes(count), a.v);
}
HWY_INLINE F32x16 Add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
HWY_INLINE F32x16 Mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
HWY_INLINE F32x16 MulAdd(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
HWY_INLINE F32x16 NegMulAdd(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}
HWY_INLINE F32x16 ToFloat(I32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }

HWY_INLINE I32x16 ZeroI32() { return {_mm512_setzero_si512()}; }
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
HWY_INLINE U8x64 LookUp(const uint8_t (&table)[16], U8x64 places) {
  const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), places.v)};
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

// sum[lane] += w[2 lane] * x[2 lane] + w[2 lane + 1] * x[2 lane + 1] of 16-bit integers; exact.
HWY_INLINE I32x16 DotPairs(I32x16 sum, U8x64 w, U8x64 x) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sum.v) : "v"(w.v), "v"(x.v));
  return sum;
}

// sum[lane] += w[2 lane] * x[2 lane] + w[2 lane + 1] * x[2 lane + 1] of bf16, as the instruction
// orders and rounds it.
HWY_INLINE __m512 DotPair(__m512 sum, __m512i w, __m512i x) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();
