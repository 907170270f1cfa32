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
    auto scaled = hn::Mul(LoadSome(x + at, count), factor);
    if (weight != nullptr) scaled = hn::Mul(scaled, LoadSome(weight + at, count));
    StoreSome(scaled, y + at, count);
  });
}

// The sum of (x - middle) or of its squares, in f64.
template <bool kSquares>
double SumOfDistances(const float* x, double middle, int64_t size) {
  const hn::CappedTag<double, 8> d64;
  const hn::Rebind<float, decltype(d64)> narrow;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d64));
  const auto origin = hn::Set(d64, middle);
  auto sums = hn::Zero(d64);
  int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const auto distance = hn::Sub(hn::PromoteTo(d64, hn::LoadU(narrow, x + i)), origin);
    sums = kSquares ? hn::MulAdd(distance, distance, sums) : hn::Add(sums, distance);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d64, sums));
  for (; i < size; ++i) {
    const double distance = x[i] - middle;
    sum += kSquares ? distance * distance : distance;
  }
  return sum;
}

void LayerNorm(const LayerNormWeights& norm, const float* x, int64_t size, float* y) {
  const Lanes d;
  const auto count_all = static_cast<double>(size);
  const double mean = SumOfDistances<false>(x, 0, size) / count_all;
  const double variance = SumOfDistances<true>(x, mean, size) / count_all;
  const auto middle = hn::Set(d, static_cast<float>(mean));
  const auto factor = hn::Set(d, static_cast<float>(1.0 / std::sqrt(variance + norm.epsilon)));
  ForVectors(size, [&](int64_t at, int64_t count) HWY_ATTR {
    auto scaled = hn::Mul(hn::Sub(LoadSome(x + at, count), middle), factor);
    if (norm.weight != nullptr) scaled = hn::Mul(scaled, LoadSome(norm.weight + at, count));
    if (norm.bias != nullptr) scaled = hn::Add(scaled, LoadSome(norm.bias + at, count));
    StoreSome(scaled, y + at, count);
  });
}

constexpr float kClampLimit = 7.0f;
constexpr float kClampedSlope = 1.702f;

template <Activation kKind>
HWY_INLINE hn::Vec<Lanes> Activated(hn::Vec<Lanes> x) {
  const Lanes d;
  if constexpr (kKind == Activation::kSilu) {
    // exp of at most 88: beyond it the quotient is 0 in f32 anyway, and exp must not overflow.
    const auto e = Exp(d, hn::Min(hn::Neg(x), hn::Set(d, 88.0f)));
    return hn::Div(x, hn::Add(hn::Set(d, 1.0f), e));
  } else if constexpr (kKind == Activation::kGelu) {
    // (1 + tanh(u)) / 2 is sigmoid(2 u).
    const auto cube = hn::Mul(hn::Mul(x, x), x);
    const auto u = hn::Mul(hn::MulAdd(cube, hn::Set(d, 0.044715f), x),
                           hn::Set(d, 2 * 0.79788456080286535588f));
    return hn::Mul(x, Sigmoid(d, u));
  } else if constexpr (kKind == Activation::kReluSquared) {
    const auto positive = hn::Max(x, hn::Zero(d));
    return hn::Mul(positive, positive);
  } else {
    const auto clamped = hn::Min(x, hn::Set(d, kClampLimit));
    return hn::Mul(clamped, Sigmoid(d, hn::Mul(clamped, hn::Set(d, kClampedSlope))));
  }
}

template <Activation kKind>
void ActivateAs(const float* x, const float* up, int64_t size, float* y) {
  const Lanes d;
  ForVectors(size, [&](int64_t at, int64_t count) HWY_ATTR {
    auto result = Activated<kKind>(LoadSome(x + at, count));
    if (up != nullptr) {
      auto factor = LoadSome(up + at, count);
      if constexpr (kKind == Activation::kClampedSilu) {
        factor = hn::Clamp(factor, hn::Set(d, -kClampLimit), hn::Set(d, kClampLimit));
        factor = hn::Add(factor, hn::Set(d, 1.0f));
      }
      result = hn::Mul(result, factor);
    }
    StoreSome(result, y + at, count);
  });
}

// up nullptr: not gated.
void ActivateRow(Activation kind, const float* x, const float* up, int64_t size, float* y) {
  switch (kind) {
    case Activation::kSilu:
      return ActivateAs<Activation::kSilu>(x, up, size, y);
    case Activation::kGelu:
      return ActivateAs<Activation::kGelu>(x, up, size, y);
    case Activation::kReluSquared:
      return ActivateAs<Activation::kReluSquared>(x, up, size, y);
    case Activation::kClampedSilu:
      return ActivateAs<Activation::kClampedSilu>(x, up, size, y);
  }
}

void AddScaled(float factor, const float* x, int64_t size, float* y) {
  const auto scale = hn::Set(Lanes(), factor);
  ForVectors(size, [&](int64_t at, int64_t count) HWY_ATTR {
    const auto product = hn::Mul(LoadSome(x + at, count), scale);
    StoreSome(hn::Add(LoadSome(y + at, count), product), y + at, count);
  });
}

void Scale(float factor, int64_t size, float* y) {
  const auto scale = hn::Set(Lanes(), factor);
  ForVectors(size, [&](int64_t at, int64_t count) HWY_ATTR {
    StoreSome(hn::Mul(LoadSome(y + at, count), scale), y + at, count);
  });
}

void SoftCap(float cap, int64_t size, float* y) {
  const Lanes d;
  const auto scale = hn::Set(d, cap);
  const auto inverse = hn::Set(d, 1.0f / cap);
  ForVectors(size, [&](int64_t at, int64_t count) HWY_ATTR {
    const auto part = hn::Mul(LoadSome(y + at, count), inverse);
    StoreSome(hn::Mul(Tanh(d, part), scale), y + at, count);
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

void LayerNorm(const LayerNormWeights& norm, const float* x, int64_t size, float* y, CpuPath path) {
  WL_FOR_PATH(path, LayerNorm)(norm, x, size, y);
}

void Activate(Activation kind, const float* x, int64_t size, float* y, CpuPath path) {
  WL_FOR_PATH(path, ActivateRow)(kind, x, nullptr, size, y);
}

void Gate(Activation kind, const float* gate, const float* up, int64_t size, float* y,
          CpuPath path) {
  WL_FOR_PATH(path, ActivateRow)(kind, gate, up, size, y);
}

void AddScaled(float factor, const float* x, int64_t size, float* y, CpuPath path) {
  WL_FOR_PATH(path, AddScaled)(factor, x, size, y);
}

void Scale(float factor, int64_t size, float* y, CpuPath path) {
  WL_FOR_PATH(path, Scale)(factor, size, y);
}

void SoftCap(float cap, int64_t size, float* y, CpuPath path) {
  WL_FOR_PATH(path, SoftCap)(cap, size, y);
}

void AddTo(const float* x, int64_t size, float* y, CpuPath path) {
  WL_FOR_PATH(path, AddTo)(x, size, y);
}

void Softmax(const float* x, int64_t size, float* y, CpuPath path) {
  WL_FOR_PATH(path, Softmax)(x, size, y);
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
