#include "wafer_backend/compute/kernels/rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/rows.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <algorithm>
#include <cmath>

#include "hwy/highway.h"
#include "wafer_backend/compute/kernels/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Lanes = hn::CappedTag<float, 16>;

// body(at, count) for each whole vector and once for what is left, count < lanes.
template <typename Body>
HWY_INLINE void ForVectors(int64_t size, Body body) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(Lanes()));
  int64_t at = 0;
  for (; at + lanes <= size; at += lanes) body(at, lanes);
  if (at < size) body(at, size - at);
}

// Lanes beyond `count` are zero; whole vectors take the direct way.
HWY_INLINE hn::Vec<Lanes> LoadSome(const float* p, int64_t count) {
  const Lanes d;
  if (count == static_cast<int64_t>(hn::Lanes(d))) return hn::LoadU(d, p);
  HWY_ALIGN float lanes[16] = {};
  std::copy_n(p, count, lanes);
  return hn::Load(d, lanes);
}

HWY_INLINE void StoreSome(hn::Vec<Lanes> v, float* p, int64_t count) {
  const Lanes d;
  if (count == static_cast<int64_t>(hn::Lanes(d))) return hn::StoreU(v, d, p);
  HWY_ALIGN float lanes[16];
  hn::Store(v, d, lanes);
  std::copy_n(lanes, count, p);
}

void RmsNorm(const float* x, const float* weight, float epsilon, int64_t size, float* y) {
  const Lanes d;
  // Squares of f32 in f64 sums: the norm scales everything after it.
  const hn::CappedTag<double, 8> d64;
  const hn::Rebind<float, decltype(d64)> narrow;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d64));
  auto sums = hn::Zero(d64);
  int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const auto wide = hn::PromoteTo(d64, hn::LoadU(narrow, x + i));
    sums = hn::MulAdd(wide, wide, sums);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d64, sums));
  for (; i < size; ++i) sum += static_cast<double>(x[i]) * x[i];
  const auto factor =
      hn::Set(d, static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(size) + epsilon)));
  ForVectors(size, [&](int64_t at, int64_t count) HWY_ATTR {
    const auto scaled = hn::Mul(LoadSome(x + at, count), factor);
    StoreSome(hn::Mul(scaled, LoadSome(weight + at, count)), y + at, count);
  });
}

void SwiGlu(const float* gate, const float* up, int64_t size, float* y) {
  const Lanes d;
  const auto one = hn::Set(d, 1.0f);
  ForVectors(size, [&](int64_t at, int64_t count) HWY_ATTR {
    const auto g = LoadSome(gate + at, count);
    // exp of at most 88: beyond it the quotient is 0 in f32 anyway, and exp must not overflow.
    const auto e = Exp(d, hn::Min(hn::Neg(g), hn::Set(d, 88.0f)));
    const auto swish = hn::Div(g, hn::Add(one, e));
    StoreSome(hn::Mul(swish, LoadSome(up + at, count)), y + at, count);
  });
}

void AddTo(const float* x, int64_t size, float* y) {
  ForVectors(size, [&](int64_t at, int64_t count) HWY_ATTR {
    StoreSome(hn::Add(LoadSome(y + at, count), LoadSome(x + at, count)), y + at, count);
  });
}

void Softmax(const float* x, int64_t size, float* y) {
  const Lanes d;
  const auto shift = hn::Set(d, *std::max_element(x, x + size));
  auto sums = hn::Zero(d);
  ForVectors(size, [&](int64_t at, int64_t count) HWY_ATTR {
    auto e = Exp(d, hn::Sub(LoadSome(x + at, count), shift));
    e = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(count)), e);
    sums = hn::Add(sums, e);
    StoreSome(e, y + at, count);
  });
  const auto factor = hn::Set(d, 1.0f / hn::GetLane(hn::SumOfLanes(d, sums)));
  ForVectors(size, [&](int64_t at, int64_t count) HWY_ATTR {
    StoreSome(hn::Mul(LoadSome(y + at, count), factor), y + at, count);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void RmsNorm(const float* x, const float* weight, float epsilon, int64_t size, float* y,
             CpuPath path) {
  WL_FOR_PATH(path, RmsNorm)(x, weight, epsilon, size, y);
}

void SwiGlu(const float* gate, const float* up, int64_t size, float* y, CpuPath path) {
  WL_FOR_PATH(path, SwiGlu)(gate, up, size, y);
}

void AddTo(const float* x, int64_t size, float* y, CpuPath path) {
  WL_FOR_PATH(path, AddTo)(x, size, y);
}

void Softmax(const float* x, int64_t size, float* y, CpuPath path) {
  WL_FOR_PATH(path, Softmax)(x, size, y);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
