#include "wafer_backend/compute/kernels/rows.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "random_weights.h"
#include "wafer_backend/compute/kernels/rotary.h"

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

      SwiGlu(x.data(), w.data(), size, y.data(), path);
      for (size_t i = 0; i < x.size(); ++i) {
        REQUIRE(y[i] == Approx(x[i] / (1 + std::exp(-static_cast<double>(x[i]))) * w[i])
                            .epsilon(1e-5)
                            .margin(1e-9));
      }

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

TEST_CASE("extremes stay finite: huge gates, scores of minus infinity") {
  for (CpuPath path : PathsOfThisMachine()) {
    const float gate[] = {-1e4f, 1e4f, -100.0f, 0.0f};
    const float up[] = {1.0f, 1.0f, 1.0f, 1.0f};
    float y[4];
    SwiGlu(gate, up, 4, y, path);
    REQUIRE(std::fabs(y[0]) < 1e-30f);
    REQUIRE(y[1] == 1e4f);
    REQUIRE(std::fabs(y[2]) < 1e-30f);
    REQUIRE(y[3] == 0.0f);
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

TEST_CASE("rotary pairs turn by position times frequency, both layouts, rest untouched") {
  SeededStream random(12);
  constexpr int64_t kHeads = 2;
  for (int64_t head_dim : {8, 48, 64, 128}) {
    for (int64_t dims : {head_dim, head_dim / 2}) {
      std::vector<float> factors(static_cast<size_t>(dims / 2), 1.0f);
      factors.back() = 8.0f;
      const auto frequencies = RotaryFrequencies(dims, 10000.0, factors);
      REQUIRE(frequencies[0] == 1.0);
      REQUIRE(frequencies.back() ==
              Approx(std::pow(10000.0, -(dims - 2.0) / static_cast<double>(dims)) / 8));
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

}  // namespace
}  // namespace waferline::kernels
