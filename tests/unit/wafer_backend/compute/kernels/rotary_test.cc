#include "wafer_backend/compute/kernels/rotary.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "random_weights.h"

namespace waferline::kernels {
namespace {

TEST_CASE("rotary pairs turn by position times frequency, both layouts, rest untouched") {
  SeededStream random(12);
  constexpr int64_t kHeads = 2;
  for (int64_t head_dim : {8, 48, 64, 128}) {
    for (int64_t dims : {head_dim, head_dim / 2}) {
      std::vector<float> factors(static_cast<size_t>(dims / 2), 1.0f);
      factors.back() = 8.0f;
      const auto frequencies = RotaryFrequencies(dims, 10000.0, factors);
      REQUIRE(frequencies[0] == 1.0);
      REQUIRE(frequencies.back() == Approx(std::pow(10000.0, -(static_cast<double>(dims) - 2) /
                                                                 static_cast<double>(dims)) /
                                           8));
      const int32_t positions[] = {3, 100000};
      std::vector<float> cos_sin(static_cast<size_t>(2 * dims));
      RotaryAngles(frequencies, positions, cos_sin.data());
      for (CpuPath path : PathsOfThisMachine()) {
        for (RotaryKind kind : {RotaryKind::kNorm, RotaryKind::kNeox}) {
          const std::vector<float> before = RandomFloats(random, kHeads * head_dim);
          std::vector<float> after = before;
          ApplyRotary(kind, &cos_sin[dims], kHeads, head_dim, dims, after.data(), path);
          for (int64_t i = 0; i < kHeads * head_dim; ++i) {
            const int64_t e = i % head_dim;
            const float* x = &before[i - e];
            if (e >= dims) {
              REQUIRE(after[i] == before[i]);
              continue;
            }
            const bool norm = kind == RotaryKind::kNorm;
            const int64_t p = norm ? e / 2 : e % (dims / 2);
            const bool first = norm ? e % 2 == 0 : e < dims / 2;
            const double a = norm ? x[2 * p] : x[p];
            const double b = norm ? x[2 * p + 1] : x[p + dims / 2];
            const double angle = positions[1] * frequencies[p];
            const double expected = first ? a * std::cos(angle) - b * std::sin(angle)
                                          : a * std::sin(angle) + b * std::cos(angle);
            REQUIRE(after[i] == Approx(expected).margin(1e-5));
          }
        }
      }
    }
  }
}

TEST_CASE("YaRN keeps what turns often, divides what turns seldom, mixes between") {
  // Qwen2.5's long context: heads of 128, base 1e6, four times 32,768 positions.
  constexpr double kBase = 1e6, kContext = 32768, kFactor = 4;
  const auto plain = RotaryFrequencies(128, kBase, {});
  const YarnScaling scaling{.factor = kFactor, .original_context = kContext};
  const auto yarn = YarnFrequencies(128, kBase, scaling);
  const double pi = std::acos(-1.0);
  // Where base^(-2p/128) context / (2 pi) is 32 and 1: 23.6 and 39.65, rounded outwards.
  constexpr int kFirst = 23, kLast = 40;
  for (int p = 0; p < 64; ++p) {
    const double turns = kContext * plain[p] / (2 * pi);
    if (turns > 34) REQUIRE(yarn[p] == Approx(plain[p]).epsilon(1e-12));
    if (turns < 0.9) REQUIRE(yarn[p] == Approx(plain[p] / kFactor).epsilon(1e-12));
    const double way = std::clamp((p - kFirst) / static_cast<double>(kLast - kFirst), 0.0, 1.0);
    REQUIRE(yarn[p] == Approx(plain[p] * (1 - way) + plain[p] / kFactor * way).epsilon(1e-12));
  }
  REQUIRE(YarnMagnitude(4) == Approx(0.1 * std::log(4.0) + 1));
  REQUIRE(YarnMagnitude(40, 0.707) == Approx(0.0707 * std::log(40.0) + 1));
  REQUIRE(YarnMagnitude(1) == 1.0);
}

TEST_CASE("YaRN's mixed range may end between pairs, as gpt-oss has it") {
  const YarnScaling scaling{.factor = 32, .original_context = 4096, .whole_pairs = false};
  const auto plain = RotaryFrequencies(64, 150000, {});
  const auto yarn = YarnFrequencies(64, 150000, scaling);
  const double pi = std::acos(-1.0);
  const double first = 32 * std::log(4096 / (32 * 2 * pi)) / std::log(150000.0);  // 8.09
  const double last = 32 * std::log(4096 / (2 * pi)) / std::log(150000.0);        // 17.40
  for (int p = 0; p < 32; ++p) {
    const double way = std::clamp((p - first) / (last - first), 0.0, 1.0);
    REQUIRE(yarn[p] == Approx(plain[p] * (1 - way) + plain[p] / 32 * way).epsilon(1e-12));
  }
  REQUIRE(yarn[8] == plain[8]);
  REQUIRE(yarn[9] < plain[9]);
}

TEST_CASE("the magnitude multiplies cosines and sines") {
  REQUIRE(LongRopeMagnitude(32, 4096) == Approx(std::sqrt(1 + std::log(32.0) / std::log(4096.0))));
  REQUIRE(LongRopeMagnitude(1, 4096) == 1.0);
  const auto frequencies = RotaryFrequencies(8, 10000, {});
  const int32_t positions[] = {7};
  float plain[8], larger[8];
  RotaryAngles(frequencies, positions, plain);
  RotaryAngles(frequencies, positions, larger, 1.19);
  for (int i = 0; i < 8; ++i) REQUIRE(larger[i] == Approx(plain[i] * 1.19).epsilon(1e-6));
}

}  // namespace
}  // namespace waferline::kernels
