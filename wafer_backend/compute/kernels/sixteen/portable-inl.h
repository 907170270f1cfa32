// sixteen-inl.h for any CPU: sixteen lanes are an array, which compilers turn into the vectors that
// the baseline has. The definition of what the other two compute.
// No guard of its own: sixteen-inl.h, which alone includes it, has one for each target.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/half.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

inline constexpr int kTileColumns = 2;  // baselines have 16 registers of 4 lanes, or 32
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

HWY_INLINE const float* After(const float* p, const I32x16&) { return p; }

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
HWY_INLINE F32x16 LoadBf16(const BF16* p) {
  return EachLane<F32x16>([p](int i) { return FloatFromBf16(p[i]); });
}
HWY_INLINE F32x16 LoadExponents(const uint8_t* p) {
  return EachLane<F32x16>([p](int i) { return std::bit_cast<float>(uint32_t{p[i]} << 23); });
}
HWY_INLINE F32x16 LoadI8(const uint8_t* p) {
  return EachLane<F32x16>([p](int i) { return static_cast<int8_t>(p[i]); });
}
template <int kShift>
HWY_INLINE F32x16 LoadNibbles(const uint8_t* p) {
  return EachLane<F32x16>([p](int i) { return p[i] >> kShift & 15; });
}
HWY_INLINE void Store(const F32x16& a, float* p, int64_t count) { std::copy_n(a.v, count, p); }
HWY_INLINE F32x16 Add(const F32x16& a, const F32x16& b) {
  return EachLane<F32x16>([&](int i) { return a.v[i] + b.v[i]; });
}
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

HWY_INLINE I32x16 ZeroI32() { return {}; }
HWY_INLINE U8x64 LoadBytes(const uint8_t* p) {
  U8x64 result;
  std::memcpy(result.v, p, 64);
  return result;
}
HWY_INLINE void StoreBytes(const U8x64& a, uint8_t* p) { std::memcpy(p, a.v, 64); }
HWY_INLINE U8x64 BroadcastQuad(const int8_t* p) {
  return EachLane<U8x64>([p](int i) { return p[i % 4]; });
}
HWY_INLINE U8x64 And(const U8x64& a, uint8_t mask) {
  return EachLane<U8x64>([&](int i) { return a.v[i] & mask; });
}
// table[places], which are below 16.
HWY_INLINE U8x64 LookUp(const uint8_t (&table)[16], const U8x64& places) {
  return EachLane<U8x64>([&](int i) { return table[places.v[i]]; });
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

HWY_INLINE I32x16 DotPairs(const I32x16& sum, const U8x64& w, const U8x64& x) {
  int16_t a[32], b[32];
  std::memcpy(a, w.v, 64);
  std::memcpy(b, x.v, 64);
  return EachLane<I32x16>(
      [&](int i) { return sum.v[i] + a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1]; });
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();
