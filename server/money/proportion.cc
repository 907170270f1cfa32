#include "server/money/proportion.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "server/money/wide.h"
#include "wafer_backend/base/check.h"

namespace waferline {

namespace {

int64_t InRange(Wide value) {
  WL_CHECK(value <= std::numeric_limits<int64_t>::max() &&
           value >= std::numeric_limits<int64_t>::min());
  return static_cast<int64_t>(value);
}

}  // namespace

int64_t Proportion(int64_t value, int64_t numerator, int64_t denominator) {
  WL_CHECK(denominator > 0);
  return InRange(RoundedHalfEven(Wide{value} * numerator, denominator));
}

int64_t ProportionDown(int64_t value, int64_t numerator, int64_t denominator) {
  WL_CHECK(denominator > 0);
  const Wide product = Wide{value} * numerator;
  return InRange(product / denominator - (product % denominator < 0 ? 1 : 0));
}

std::vector<int64_t> Apportion(int64_t total, std::span<const int64_t> weights) {
  std::vector<int64_t> shares(weights.size(), 0);
  if (weights.empty()) return shares;
  Wide sum = 0;
  for (const int64_t weight : weights) {
    WL_CHECK(weight >= 0);
    sum += weight;
  }
  if (sum == 0) {
    shares[0] = total;
    return shares;
  }
  const int sign = total < 0 ? -1 : 1;
  const Wide amount = Wide{total} * sign;
  std::vector<Wide> rest(weights.size());
  Wide left = amount;
  for (size_t i = 0; i < weights.size(); ++i) {
    const Wide share = amount * weights[i] / sum;
    rest[i] = amount * weights[i] % sum;
    shares[i] = static_cast<int64_t>(share * sign);
    left -= share;
  }
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return rest[a] > rest[b]; });
  for (size_t i = 0; left > 0; ++i, --left) shares[order[i]] += sign;
  return shares;
}

}  // namespace waferline
