#include "wafer_backend/compute/kernels/rows.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "random_weights.h"

namespace waferline::kernels {
namespace {

constexpr int64_t kSizes[] = {1, 3, 8, 16, 17, 64, 100, 2048};

TEST_CASE("row arithmetic agrees with its formulas in every CPU path and at every size") {
  SeededStream random(11);
  for (CpuPath path : PathsOfThisMachine()) {
    for (int64_t size : kSizes) {
      CAPTURE(Name(path), size);
      std::vector<float> x = RandomFloats(random, size);
      const std::vector<float> w = RandomFloats(random, size);
      std::vector<float> y(x.size());

      RmsNorm(x.data(), w.data(), 1e-5f, size, y.data(), path);
      const double squares = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
      const double factor = 1 / std::sqrt(squares / static_cast<double>(size) + 1e-5);
      for (size_t i = 0; i < x.size(); ++i)
        REQUIRE(y[i] == Approx(x[i] * factor * w[i]).epsilon(1e-5));

      RmsNorm(x.data(), nullptr, 1e-5f, size, y.data(), path);
      for (size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == Approx(x[i] * factor).epsilon(1e-5));

      Softmax(x.data(), size, y.data(), path);
      const double largest = *std::max_element(x.begin(), x.end());
      double sum = 0;
      for (float v : x) sum += std::exp(v - largest);
      for (size_t i = 0; i < x.size(); ++i) {
        REQUIRE(y[i] == Approx(std::exp(x[i] - largest) / sum).epsilon(1e-5));
      }

      y = w;
      AddTo(x.data(), size, y.data(), path);
      for (size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == w[i] + x[i]);
    }
  }
}

TEST_CASE("a layer norm takes the mean off first, with and without weight and bias") {
  SeededStream random(21);
  for (CpuPath path : PathsOfThisMachine()) {
    for (int64_t size : kSizes) {
      CAPTURE(Name(path), size);
      std::vector<float> x = RandomFloats(random, size);
      for (float& value : x) value += 5;  // far from zero: one pass over squares would lose digits
      const std::vector<float> weight = RandomFloats(random, size),
                               bias = RandomFloats(random, size);
      const double count = static_cast<double>(size);
      const double mean = std::accumulate(x.begin(), x.end(), 0.0) / count;
      double variance = 0;
      for (float value : x) variance += (value - mean) * (value - mean) / count;
      const double factor = 1 / std::sqrt(variance + 1e-5);
      std::vector<float> with(x.size()), without(x.size()), plain(x.size());
      LayerNorm({weight.data(), bias.data(), 1e-5f}, x.data(), size, with.data(), path);
      LayerNorm({weight.data(), nullptr, 1e-5f}, x.data(), size, without.data(), path);
      LayerNorm({nullptr, nullptr, 1e-5f}, x.data(), size, plain.data(), path);
      for (size_t i = 0; i < x.size(); ++i) {
        const double scaled = (x[i] - mean) * factor;
        REQUIRE(with[i] == Approx(scaled * weight[i] + bias[i]).margin(3e-6));
        REQUIRE(without[i] == Approx(scaled * weight[i]).margin(3e-6));
        REQUIRE(plain[i] == Approx(scaled).margin(3e-6));
      }
    }
  }
}

double ExpectedActivation(Activation kind, double x) {
  switch (kind) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGelu:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case Activation::kReluSquared:
      return x > 0 ? x * x : 0;
    case Activation::kClampedSilu:
      return std::min(x, 7.0) / (1 + std::exp(-1.702 * std::min(x, 7.0)));
  }
  return 0;
}

TEST_CASE("activations agree with their formulas, plain and as gates, in every CPU path") {
  SeededStream random(22);
  for (CpuPath path : PathsOfThisMachine()) {
    for (Activation kind : {Activation::kSilu, Activation::kGelu, Activation::kReluSquared,
                            Activation::kClampedSilu}) {
      for (int64_t size : kSizes) {
        CAPTURE(Name(path), static_cast<int>(kind), size);
        std::vector<float> x = RandomFloats(random, size), up = RandomFloats(random, size);
        for (float& value : x) value *= 10;
        for (float& value : up) value *= 10;
        std::vector<float> plain(x.size()), gated(x.size());
        Activate(kind, x.data(), size, plain.data(), path);
        Gate(kind, x.data(), up.data(), size, gated.data(), path);
        for (size_t i = 0; i < x.size(); ++i) {
          const double expected = ExpectedActivation(kind, x[i]);
          const double factor = kind == Activation::kClampedSilu
                                    ? std::clamp<double>(up[i], -7.0, 7.0) + 1
                                    : static_cast<double>(up[i]);
          CAPTURE(x[i], up[i]);
          REQUIRE(plain[i] == Approx(expected).epsilon(2e-5).margin(1e-7));
          REQUIRE(gated[i] == Approx(expected * factor).epsilon(2e-5).margin(1e-6));
        }
      }
    }
  }
}

TEST_CASE("rows are scaled, added in parts and capped") {
  SeededStream random(23);
  for (CpuPath path : PathsOfThisMachine()) {
    for (int64_t size : kSizes) {
      const std::vector<float> x = RandomFloats(random, size), y = RandomFloats(random, size);
      std::vector<float> sum = y, scaled = y, capped = y;
      AddScaled(0.3f, x.data(), size, sum.data(), path);
      Scale(0.3f, size, scaled.data(), path);
      for (size_t i = 0; i < y.size(); ++i)
        capped[i] = y[i] * 0.01f * static_cast<float>(1 << i % 14);
      const std::vector<float> before = capped;
      SoftCap(5.0f, size, capped.data(), path);
      for (size_t i = 0; i < y.size(); ++i) {
        CAPTURE(Name(path), size, before[i]);
        const float product = 0.3f * x[i];
        REQUIRE(sum[i] == y[i] + product);
        REQUIRE(scaled[i] == 0.3f * y[i]);
        REQUIRE(capped[i] == Approx(5 * std::tanh(before[i] / 5.0)).epsilon(4e-6));
      }
    }
  }
}

TEST_CASE("extremes stay finite: huge gates, scores of minus infinity") {
  for (CpuPath path : PathsOfThisMachine()) {
    const float gate[] = {-1e4f, 1e4f, -100.0f, 0.0f};
    const float up[] = {1.0f, 1.0f, 1.0f, 1.0f};
    float y[4];
    for (Activation kind : {Activation::kSilu, Activation::kGelu}) {
      Gate(kind, gate, up, 4, y, path);
      REQUIRE(std::fabs(y[0]) < 1e-30f);
      REQUIRE(y[1] == 1e4f);
      REQUIRE(std::fabs(y[2]) < 1e-30f);
      REQUIRE(y[3] == 0.0f);
    }
    float scores[] = {-INFINITY, 5.0f, -INFINITY, 5.0f};
    Softmax(scores, 4, scores, path);
    REQUIRE(scores[0] == 0.0f);
    REQUIRE(scores[1] == 0.5f);
  }
}

TEST_CASE("weights far below the largest keep their size, and end in exact zeros") {
  for (CpuPath path : PathsOfThisMachine()) {
    std::vector<float> scores;
    for (float score = 0; score > -100; score -= 0.37f) scores.push_back(score);
    std::vector<float> y(scores.size());
    Softmax(scores.data(), static_cast<int64_t>(scores.size()), y.data(), path);
    for (size_t i = 0; i < scores.size(); ++i) {
      CAPTURE(Name(path), scores[i]);
      if (scores[i] >= -86.0f) {
        REQUIRE(y[i] / y[0] == Approx(std::exp(static_cast<double>(scores[i]))).epsilon(2e-5));
      }
      if (scores[i] < -87.0f) REQUIRE(y[i] == 0.0f);
    }
  }
}

}  // namespace
}  // namespace waferline::kernels
