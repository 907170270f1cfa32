#include "wafer_backend/compute/kernels/rotary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/rotary.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <algorithm>
#include <cmath>
#include <numbers>

#include "hwy/highway.h"
#include "wafer_backend/base/check.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Products and sums are rounded one by one, so that pairs in vectors and the rest agree.
void TurnHead(RotaryKind kind, const float* cos_sin, int64_t pairs, float* x) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t p = 0;
  for (; p + lanes <= pairs; p += lanes) {
    hn::Vec<decltype(d)> cos, sin, a, b;
    hn::LoadInterleaved2(d, cos_sin + 2 * p, cos, sin);
    if (kind == RotaryKind::kNorm) {
      hn::LoadInterleaved2(d, x + 2 * p, a, b);
    } else {
      a = hn::LoadU(d, x + p);
      b = hn::LoadU(d, x + pairs + p);
    }
    const auto turned_a = hn::Sub(hn::Mul(a, cos), hn::Mul(b, sin));
    const auto turned_b = hn::Add(hn::Mul(a, sin), hn::Mul(b, cos));
    if (kind == RotaryKind::kNorm) {
      hn::StoreInterleaved2(turned_a, turned_b, d, x + 2 * p);
    } else {
      hn::StoreU(turned_a, d, x + p);
      hn::StoreU(turned_b, d, x + pairs + p);
    }
  }
  for (; p < pairs; ++p) {
    float& a = kind == RotaryKind::kNorm ? x[2 * p] : x[p];
    float& b = kind == RotaryKind::kNorm ? x[2 * p + 1] : x[pairs + p];
    const float turned = a * cos_sin[2 * p] - b * cos_sin[2 * p + 1];
    b = a * cos_sin[2 * p + 1] + b * cos_sin[2 * p];
    a = turned;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

std::vector<double> RotaryFrequencies(int64_t dims, double base, std::span<const float> factors) {
  WL_CHECK(dims > 0 && dims % 2 == 0);
  WL_CHECK(factors.empty() || static_cast<int64_t>(factors.size()) == dims / 2);
  std::vector<double> frequencies(static_cast<size_t>(dims / 2));
  for (size_t p = 0; p < frequencies.size(); ++p) {
    const double exponent = -2.0 * static_cast<double>(p) / static_cast<double>(dims);
    frequencies[p] = std::pow(base, exponent) / (factors.empty() ? 1.0 : factors[p]);
  }
  return frequencies;
}

std::vector<double> YarnFrequencies(int64_t dims, double base, const YarnScaling& scaling) {
  std::vector<double> frequencies = RotaryFrequencies(dims, base, {});
  // The pair, as a real number, that turns so often within the original context.
  const auto pair_of = [&](double turns) {
    return static_cast<double>(dims) *
           std::log(scaling.original_context / (2 * std::numbers::pi * turns)) /
           (2 * std::log(base));
  };
  double first = pair_of(scaling.beta_fast);
  double last = pair_of(scaling.beta_slow);
  if (scaling.whole_pairs) {
    first = std::floor(first);
    last = std::ceil(last);
  }
  first = std::max(first, 0.0);
  last = std::min(last, static_cast<double>(dims - 1));
  for (size_t p = 0; p < frequencies.size(); ++p) {
    const double way = (static_cast<double>(p) - first) / std::max(last - first, 0.001);
    const double kept = (1 - std::clamp(way, 0.0, 1.0)) * scaling.extrapolation;
    frequencies[p] *= kept + (1 - kept) / scaling.factor;
  }
  return frequencies;
}

double YarnMagnitude(double factor, double multiplier) {
  return factor <= 1 ? 1.0 : 0.1 * multiplier * std::log(factor) + 1;
}

double LongRopeMagnitude(double factor, double original_context) {
  return factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original_context));
}

void RotaryAngles(std::span<const double> frequencies, std::span<const int32_t> positions,
                  float* cos_sin, double magnitude) {
  for (const int32_t position : positions) {
    for (const double frequency : frequencies) {
      const double angle = position * frequency;
      *cos_sin++ = static_cast<float>(std::cos(angle) * magnitude);
      *cos_sin++ = static_cast<float>(std::sin(angle) * magnitude);
    }
  }
}

void ApplyRotary(RotaryKind kind, const float* cos_sin, int64_t heads, int64_t head_dim,
                 int64_t dims, float* row, CpuPath path) {
  const auto turn_head = WL_FOR_PATH(path, TurnHead);
  for (int64_t head = 0; head < heads; ++head) {
    turn_head(kind, cos_sin, dims / 2, row + head * head_dim);
  }
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
