// Which experts' weights a step reads, where tokens choose some more often than others.
#include "wafer_backend/hardware/timing/side_work.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <vector>

#include "wafer_backend/base/seeded_stream.h"

namespace waferline::timing {
namespace {

constexpr int64_t kExperts = 16;

ModelSizes Shape(std::vector<int64_t> tokens, int64_t active) {
  return {.name = "experts",
          .layers = 2,
          .hidden = 64,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 16,
          .vocab = 100,
          .experts = Experts{
              .total = kExperts, .active = active, .width = 32, .tokens = std::move(tokens)}};
}

// The share of the experts that a step of so many tokens reads.
double Met(const std::vector<int64_t>& tokens, int64_t active, double rows) {
  const ModelSizes shape = Shape(tokens, active);
  REQUIRE(CheckShape(shape).ok());
  const LayerKind kind = LayersOf(shape).kinds.at(0);
  const SideWork work{.expert_seconds = 1,
                      .expert_share = kind.expert_share,
                      .expert_chances = kind.expert_chances};
  return work.At(Rows{.rows = rows});
}

std::vector<int64_t> Drawn(SeededStream* random, uint64_t most) {
  std::vector<int64_t> tokens(kExperts);
  for (int64_t& each : tokens) each = 1 + static_cast<int64_t>(random->Next() % most);
  return tokens;
}

TEST_CASE("experts that compute as many tokens each are the even choice") {
  for (const double rows : {0.0, 1.0, 2.0, 17.0, 1000.0}) {
    CHECK(Met(std::vector<int64_t>(kExperts, 12345), 3, rows) == Approx(Met({}, 3, rows)));
  }
}

TEST_CASE("a token reads as many experts whichever it likes; more tokens read fewer than evenly") {
  SeededStream random(4);
  for (int i = 0; i < 50; ++i) {
    const std::vector<int64_t> tokens = Drawn(&random, 4);
    CHECK(Met(tokens, 2, 1) == Approx(2.0 / kExperts));
    double before = 0;
    for (const double rows : {1, 2, 8, 64}) {
      const double met = Met(tokens, 2, rows);
      CHECK(met <= Met({}, 2, rows) + 1e-12);
      CHECK(met >= before);
      before = met;
    }
  }
}

TEST_CASE("experts that no token chose are never read, one that each chose always") {
  std::vector<int64_t> tokens(kExperts, 0);
  tokens[3] = 100;
  tokens[4] = 40;
  tokens[9] = 60;
  CHECK(Met(tokens, 2, 1e6) == Approx(3.0 / kExperts));
  CHECK(Met(tokens, 2, 1) == Approx(2.0 / kExperts));
}

TEST_CASE("the share is what drawn tokens meet") {
  SeededStream random(9);
  const std::vector<int64_t> tokens = Drawn(&random, 40);
  const auto sum = static_cast<uint64_t>(std::accumulate(tokens.begin(), tokens.end(), int64_t{0}));
  constexpr int kSteps = 20'000, kRows = 6;
  double met = 0;
  for (int step = 0; step < kSteps; ++step) {
    std::vector<bool> read(kExperts);
    for (int row = 0; row < kRows; ++row) {
      auto left = static_cast<int64_t>(random.Next() % sum);
      size_t expert = 0;
      while (left >= tokens[expert]) left -= tokens[expert++];
      read[expert] = true;
    }
    met += static_cast<double>(std::count(read.begin(), read.end(), true)) / kExperts;
  }
  CHECK(met / kSteps == Approx(Met(tokens, 1, kRows)).epsilon(0.01));
}

TEST_CASE("measured experts reach the costs of accelerators, and only where there are experts") {
  silicon::AcceleratorSpec device;
  device.memory_bytes_per_second.value = 1;
  device.memory_efficiency.value = 1;
  device.compute_efficiency.value = 1;
  device.peak_fp16_flops.value = 1e30;
  std::vector<int64_t> tokens(kExperts, 0);
  tokens[0] = tokens[1] = 5;
  ModelSizes shape = Shape(tokens, 2);
  shape.ffn = 32;
  shape.experts->first = 1;
  const ModelLayers layers = LayersOf(shape);
  const Rows many{.rows = 1e6};
  const auto seconds = [&](size_t layer) {
    return WorkOf(layers.of(layer), device, {.layers = 2, .hidden = 64}).At(many);
  };
  const LayerKind& dense = layers.of(0);
  const LayerKind& experts = layers.of(1);
  CHECK(seconds(0) == Approx(2 * dense.parameters()));
  CHECK(seconds(1) == Approx(2 * (experts.parameters() - experts.expert_parameters * 14 / 16)));
}

TEST_CASE("counts that no tokens can have are refused by name") {
  const auto said = [](std::vector<int64_t> tokens) {
    return std::string(CheckShape(Shape(std::move(tokens), 2)).message());
  };
  std::vector<int64_t> tokens(kExperts, 1);
  CHECK(said(tokens).empty());
  tokens[5] = 16;  // of 31, of which each token has two
  CHECK(said(tokens) ==
        "model shape: experts.tokens[5] is 16, must be 0 to the sum over experts.active, 15.5");
  tokens[5] = -1;
  CHECK(said(tokens).find("experts.tokens[5] is -1") != std::string::npos);
  CHECK(said(std::vector<int64_t>(kExperts, 0)).find("experts.tokens[0] is 0") !=
        std::string::npos);
  CHECK(said({1, 1}).find("experts.tokens has 2 numbers, must have one for each of "
                          "experts.total 16") != std::string::npos);
}

}  // namespace
}  // namespace waferline::timing
