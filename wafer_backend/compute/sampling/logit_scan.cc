#include "wafer_backend/compute/sampling/logit_scan.h"

#include <algorithm>
#include <bit>
#include <cfloat>

#include "wafer_backend/base/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/sampling/logit_scan.cc"
// clang-format off
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace waferline::sampling::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The largest magnitude, as bits: infinities and NaN are above all finite numbers.
int32_t LargestBits(const float* x, size_t n) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const size_t lanes = hn::Lanes(d);
  auto best = hn::Zero(di);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    best = hn::Max(best, hn::BitCast(di, hn::Abs(hn::LoadU(d, x + i))));
  }
  int32_t largest = hn::GetLane(hn::MaxOfLanes(di, best));
  for (; i < n; ++i) largest = std::max(largest, std::bit_cast<int32_t>(x[i]) & 0x7fff'ffff);
  return largest;
}

float CleanMax(float* x, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto low = hn::Set(d, -FLT_MAX), high = hn::Set(d, FLT_MAX);
  auto best = low;
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    auto v = hn::LoadU(d, x + i);
    v = hn::IfThenElse(hn::IsNaN(v), low, hn::Min(hn::Max(v, low), high));
    hn::StoreU(v, d, x + i);
    best = hn::Max(best, v);
  }
  float largest = hn::GetLane(hn::MaxOfLanes(d, best));
  for (; i < n; ++i) {
    x[i] = x[i] != x[i] ? -FLT_MAX : std::min(std::max(x[i], -FLT_MAX), FLT_MAX);
    largest = std::max(largest, x[i]);
  }
  return largest;
}

float MaxOf(const float* x, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto best = hn::Set(d, kMasked);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) best = hn::Max(best, hn::LoadU(d, x + i));
  float largest = hn::GetLane(hn::MaxOfLanes(d, best));
  for (; i < n; ++i) largest = std::max(largest, x[i]);
  return largest;
}

// kMasked where the bit is 0. `lanes` divides 64 on every target.
void KeepWhereSet(float* x, size_t n, const uint64_t* bits) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto masked = hn::Set(d, kMasked);
  const uint64_t all = lanes >= 64 ? ~uint64_t{0} : (uint64_t{1} << lanes) - 1;
  size_t i = 0;
  while (i + lanes <= n) {
    const uint64_t whole = bits[i / 64];
    // Most words are all ones or all zeros.
    if (i % 64 == 0 && whole == ~uint64_t{0}) {
      i += std::min<size_t>(64, n - i);
      continue;
    }
    const size_t end = std::min(n, i / 64 * 64 + 64);
    for (; i + lanes <= end; i += lanes) {
      const uint64_t word = whole >> (i % 64) & all;
      if (word == all) continue;
      if (word == 0) {
        hn::StoreU(masked, d, x + i);
        continue;
      }
      uint8_t bytes[8];
      for (size_t k = 0; k < 8; ++k) bytes[k] = static_cast<uint8_t>(word >> (8 * k));
      const auto kept = hn::LoadMaskBits(d, bytes);
      hn::StoreU(hn::IfThenElse(kept, hn::LoadU(d, x + i), masked), d, x + i);
    }
  }
  for (; i < n; ++i) {
    if ((bits[i / 64] >> (i % 64) & 1) == 0) x[i] = kMasked;
  }
}

// The first index in [from, values.size()) that starts a group of lanes with a value above `floor`
// (or equal to it), or a position in the tail, which the caller looks at one by one.
size_t SkipBelow(std::span<const float> values, size_t from, float floor, bool equal_too) {
  const float* const x = values.data();
  const size_t n = values.size();
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto limit = hn::Set(d, floor);
  size_t i = from;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto v =
        hn::Max(hn::Max(hn::LoadU(d, x + i), hn::LoadU(d, x + i + lanes)),
                hn::Max(hn::LoadU(d, x + i + 2 * lanes), hn::LoadU(d, x + i + 3 * lanes)));
    if (!hn::AllFalse(d, equal_too ? hn::Ge(v, limit) : hn::Gt(v, limit))) break;
  }
  return i;
}

void Exp(std::span<const float> values, float shift, float scale, float* out) {
  const float* const x = values.data();
  const size_t n = values.size();
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const size_t lanes = hn::Lanes(d);
  const auto shift_v = hn::Set(d, shift), scale_v = hn::Set(d, scale);
  const auto log2e = hn::Set(d, 1.44269504f), lowest = hn::Set(d, -87.0f);
  // ln 2 in two parts, the first with few enough bits that its products are exact (Cody, Waite).
  const auto ln2_high = hn::Set(d, 0.693359375f), ln2_low = hn::Set(d, -2.12194440e-4f);
  const auto one = [&](auto v) {
    const auto scaled = hn::Mul(hn::Sub(v, shift_v), scale_v);
    const auto a = hn::Max(scaled, lowest);
    const auto k = hn::Round(hn::Mul(a, log2e));
    const auto r = hn::Sub(hn::Sub(a, hn::Mul(k, ln2_high)), hn::Mul(k, ln2_low));
    auto p = hn::Set(d, 1.0f / 5040);
    for (const float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
      p = hn::Add(hn::Mul(p, r), hn::Set(d, c));
    }
    const auto power =
        hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, k), hn::Set(di, 127))));
    return hn::IfThenElseZero(hn::Ge(scaled, lowest), hn::Mul(p, power));
  };
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(one(hn::LoadU(d, x + i)), d, out + i);
  for (; i < n; ++i) out[i] = hn::GetLane(one(hn::Set(d, x[i])));
}

}  // namespace waferline::sampling::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::sampling {
HWY_EXPORT(LargestBits);
HWY_EXPORT(CleanMax);
HWY_EXPORT(MaxOf);
HWY_EXPORT(KeepWhereSet);
HWY_EXPORT(SkipBelow);
HWY_EXPORT(Exp);

bool AllFinite(std::span<const float> values) {
  constexpr int32_t kInfinity = 0x7f80'0000;
  return HWY_DYNAMIC_DISPATCH(LargestBits)(values.data(), values.size()) < kInfinity;
}

float CleanAndFindLargest(std::span<float> logits) {
  WL_CHECK(!logits.empty());
  return HWY_DYNAMIC_DISPATCH(CleanMax)(logits.data(), logits.size());
}

float FindLargest(std::span<const float> logits) {
  return HWY_DYNAMIC_DISPATCH(MaxOf)(logits.data(), logits.size());
}

void KeepWhereSet(std::span<const uint64_t> bits, std::span<float> logits) {
  const size_t known = std::min(logits.size(), bits.size() * 64);
  HWY_DYNAMIC_DISPATCH(KeepWhereSet)(logits.data(), known, bits.data());
  std::fill(logits.begin() + static_cast<ptrdiff_t>(known), logits.end(), kMasked);
}

TokenId FirstEqual(std::span<const float> logits, float value) {
  size_t i = HWY_DYNAMIC_DISPATCH(SkipBelow)(logits, 0, value, /*equal_too=*/true);
  while (i < logits.size() && logits[i] != value) ++i;
  WL_CHECK(i < logits.size());
  return static_cast<TokenId>(i);
}

double ExpAll(std::span<const float> logits, float shift, float scale, std::span<float> weights) {
  WL_CHECK(weights.size() == logits.size());
  const size_t n = logits.size();
  HWY_DYNAMIC_DISPATCH(Exp)(logits, shift, scale, weights.data());
  // Eight running sums, so that additions do not wait for one another; the order is part of the
  // result.
  double sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (size_t j = 0; j < 8; ++j) sums[j] += weights[i + j];
  }
  for (; i < n; ++i) sums[i % 8] += weights[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

void LargestOf(std::span<const float> logits, size_t count,
               std::vector<std::pair<float, TokenId>>* out) {
  out->clear();
  if (count == 0) return;
  count = std::min(count, logits.size());
  const auto before = [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  };
  // Candidates gather until there are twice as many as wanted (at least 64 too many, so that small
  // counts do not shrink often); then only the best stay and the worst of them is the new floor.
  // Ids come in ascending order, so an equal value that comes later never displaces one.
  const size_t full = std::max(2 * count, count + 64);
  float floor = kMasked;
  size_t i = 0;
  constexpr size_t kGroup = 64;
  while (i < logits.size()) {
    i = HWY_DYNAMIC_DISPATCH(SkipBelow)(logits, i, floor, false);
    for (const size_t end = std::min(i + kGroup, logits.size()); i < end; ++i) {
      if (!(logits[i] > floor)) continue;
      out->emplace_back(logits[i], static_cast<TokenId>(i));
      if (out->size() < full) continue;
      std::nth_element(out->begin(), out->begin() + (count - 1), out->end(), before);
      out->resize(count);
      floor = (*out)[count - 1].first;
    }
  }
  if (out->size() > count) {
    std::nth_element(out->begin(), out->begin() + (count - 1), out->end(), before);
    out->resize(count);
  }
  std::sort(out->begin(), out->end(), before);
}

}  // namespace waferline::sampling
#endif
