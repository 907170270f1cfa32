#include "wafer_backend/compute/sampling/draw.h"

#include <catch2/catch.hpp>
#include <map>

#include "tests/unit/wafer_backend/compute/sampling/obvious_draw.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/sampling/logit_scan.h"

namespace waferline::sampling {
namespace {

std::vector<float> RandomLogits(SeededStream* random, size_t count, double spread) {
  std::vector<float> logits(count);
  for (float& x : logits) {
    // Coarse steps, so that ties are common.
    x = static_cast<float>(std::round(random->Uniform() * 64) / 64 * spread);
  }
  return logits;
}

SamplingSpec RandomSpec(SeededStream* random) {
  SamplingSpec spec;
  const auto coin = [&] { return random->Uniform() < 0.5; };
  spec.temperature = static_cast<float>(0.05 + 2 * random->Uniform());
  if (coin()) spec.top_k = 1 + static_cast<uint32_t>(random->Uniform() * 200);
  if (coin()) spec.top_p = static_cast<float>(0.01 + 0.98 * random->Uniform());
  if (coin()) spec.min_p = static_cast<float>(random->Uniform() * random->Uniform());
  return spec;
}

bool Agrees(const ObviousFront& front, TokenId drawn, double uniform) {
  const auto place = std::find(front.order.begin(), front.order.end(), drawn);
  if (place == front.order.end()) return false;
  const size_t at = static_cast<size_t>(place - front.order.begin());
  constexpr double kRounding = 2e-5;
  const double from = at == 0 ? 0 : front.share[at - 1];
  return uniform >= from - kRounding && uniform <= front.share[at] + kRounding;
}

TEST_CASE("every draw agrees with the obvious one, ties included") {
  const uint64_t seed = 20260101;
  SeededStream random(seed);
  Workspace workspace;
  for (int run = 0; run < 3000; ++run) {
    INFO("seed " << seed << " run " << run);
    const size_t vocabulary = 1 + static_cast<size_t>(random.Uniform() * 700);
    const std::vector<float> logits =
        RandomLogits(&random, vocabulary, random.Uniform() < 0.2 ? 0.0 : random.Uniform() * 30);
    const SamplingSpec spec = RandomSpec(&random);
    const double uniform = random.Uniform();
    const TokenId drawn = Draw(spec, logits, uniform, &workspace);
    // A token on the very edge of top-p or min-p may fall on either side, by the rounding of f32.
    bool agrees = false;
    for (const float edge : {0.0f, 1e-5f, -1e-5f}) {
      SamplingSpec nudged = spec;
      nudged.top_p = spec.top_p < 1 ? std::min(0.9999999f, spec.top_p * (1 + edge)) : 1;
      nudged.min_p = spec.min_p * (1 - edge);
      agrees |= Agrees(ObviousDistribution(nudged, logits), drawn, uniform);
    }
    REQUIRE(agrees);
  }
}

TEST_CASE("greedy takes the largest, the smaller id on a tie") {
  Workspace workspace;
  SamplingSpec greedy;
  greedy.temperature = 0;
  std::vector<float> logits(1000, -1.0f);
  logits[977] = logits[31] = logits[900] = 2.5f;
  REQUIRE(Greedy(logits) == 31);
  REQUIRE(Draw(greedy, logits, 0.99, &workspace) == 31);
  greedy.temperature = 1e-30f;  // as good as greedy, and no overflow
  logits[31] = 2.4f;
  REQUIRE(Draw(greedy, logits, 0.1, &workspace) == 900);
}

TEST_CASE("a large vocabulary gives the same front as a full sort") {
  SeededStream random(7);
  std::vector<float> logits(128256);
  for (float& x : logits) x = static_cast<float>(12 * random.Uniform() - 6);
  std::vector<std::pair<float, TokenId>> front;
  for (const size_t count : {1, 20, 64, 500, 5000}) {
    LargestOf(logits, count, &front);
    std::vector<TokenId> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
    REQUIRE(front.size() == count);
    for (size_t i = 0; i < count; ++i) REQUIRE(front[i].second == order[i]);
  }
}

TEST_CASE("exp is exact to f32 over its whole range") {
  std::vector<float> x, weights;
  for (float a = 0; a > -86.9f; a -= 0.0137f) x.push_back(a);
  x.push_back(-88.0f);
  x.push_back(kMasked);
  weights.resize(x.size());
  ExpAll(x, 0, 1, weights);
  for (size_t i = 0; i + 2 < x.size(); ++i) {
    REQUIRE(weights[i] == Approx(std::exp(static_cast<double>(x[i]))).epsilon(3e-7));
  }
  REQUIRE(weights[x.size() - 2] == 0);
  REQUIRE(weights[x.size() - 1] == 0);
}

TEST_CASE("frequencies of many draws follow the distribution") {
  const std::vector<float> logits = {0.0f, 1.0f, 2.0f, -1.0f, 0.5f};
  SamplingSpec spec;
  spec.temperature = 0.8f;
  const ObviousFront front = ObviousDistribution(spec, logits);
  Workspace workspace;
  const SeededStream stream(99);
  std::map<TokenId, int> seen;
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) ++seen[Draw(spec, logits, stream.UniformAt(i), &workspace)];
  for (size_t i = 0; i < logits.size(); ++i) {
    const double share = front.share[i] - (i == 0 ? 0 : front.share[i - 1]);
    // Five standard deviations of a binomial count.
    REQUIRE(std::abs(seen[static_cast<int>(i)] - share * kDraws) <
            5 * std::sqrt(kDraws * share * (1 - share)));
  }
}

}  // namespace
}  // namespace waferline::sampling
