#include "wafer_backend/compute/kernels/experts.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "random_weights.h"

namespace waferline::kernels {
namespace {

struct Choice {
  std::vector<int32_t> experts;
  std::vector<double> weights;
};

// From the definition in router.h, in double, with sorted lists. Random logits have no ties.
Choice ReferenceChoice(const Router& router, const float* logits) {
  const auto count = static_cast<size_t>(router.experts);
  std::vector<double> scores(count);
  double sum = 0;
  for (size_t e = 0; e < count; ++e) {
    const double power = std::exp(static_cast<double>(logits[e]));
    scores[e] = router.score == Router::Score::kSoftmax ? power : power / (1 + power);
    sum += power;
  }
  if (router.score == Router::Score::kSoftmax) {
    for (double& score : scores) score /= sum;
  }
  std::vector<double> ranks = scores;
  for (size_t e = 0; e < count && router.selection_bias != nullptr; ++e) {
    ranks[e] += router.selection_bias[e];
  }
  std::vector<std::pair<double, size_t>> groups;
  const size_t size = count / static_cast<size_t>(router.groups);
  for (size_t g = 0; g < static_cast<size_t>(router.groups); ++g) {
    std::vector<double> own(ranks.begin() + static_cast<ptrdiff_t>(g * size),
                            ranks.begin() + static_cast<ptrdiff_t>((g + 1) * size));
    std::sort(own.rbegin(), own.rend());
    const bool two = router.group_rank == Router::GroupRank::kTwoLargest && size > 1;
    groups.emplace_back(-(own[0] + (two ? own[1] : 0)), g);
  }
  std::sort(groups.begin(), groups.end());
  std::vector<std::pair<double, int32_t>> candidates;
  for (int64_t i = 0; i < router.chosen_groups; ++i) {
    for (size_t e = groups[i].second * size; e < (groups[i].second + 1) * size; ++e) {
      candidates.emplace_back(-ranks[e], static_cast<int32_t>(e));
    }
  }
  std::sort(candidates.begin(), candidates.end());
  Choice choice;
  for (int64_t i = 0; i < router.chosen; ++i) choice.experts.push_back(candidates[i].second);
  std::sort(choice.experts.begin(), choice.experts.end());
  double total = 0;
  for (int32_t e : choice.experts) total += scores[e];
  for (int32_t e : choice.experts) {
    choice.weights.push_back(router.scale * scores[e] / (router.normalise ? total : 1));
  }
  return choice;
}

struct RandomRouter {
  Router router;
  std::vector<float> bias;
};

RandomRouter MakeRouter(SeededStream& random) {
  RandomRouter made;
  Router& router = made.router;
  router.groups = RandomBetween(random, 1, 4);
  router.experts = router.groups * RandomBetween(random, 1, 9);
  router.chosen_groups = RandomBetween(random, 1, router.groups);
  router.chosen = RandomBetween(
      random, 1, std::min<int64_t>(6, router.experts / router.groups * router.chosen_groups));
  router.score = random.Next() % 2 == 0 ? Router::Score::kSoftmax : Router::Score::kSigmoid;
  router.group_rank =
      random.Next() % 2 == 0 ? Router::GroupRank::kLargest : Router::GroupRank::kTwoLargest;
  router.normalise = random.Next() % 2 == 0;
  router.scale = random.Next() % 2 == 0 ? 1.0f : 2.5f;
  if (random.Next() % 2 == 0) {
    made.bias = RandomFloats(random, router.experts);
    router.selection_bias = made.bias.data();
  }
  REQUIRE(router.Check().ok());
  return made;
}

TEST_CASE("experts are chosen as defined: groups, bias, softmax or sigmoid, normalised or not") {
  const uint64_t seed = GENERATE(range(1, 101));
  SeededStream random(seed);
  const RandomRouter made = MakeRouter(random);
  const Router& router = made.router;
  const std::vector<float> logits = RandomFloats(random, router.experts);
  const Choice expected = ReferenceChoice(router, logits.data());
  for (CpuPath path : PathsOfThisMachine()) {
    std::vector<int32_t> experts(router.chosen);
    std::vector<float> weights(router.chosen);
    ChooseExperts(router, logits.data(), experts.data(), weights.data(), path);
    CAPTURE(seed, Name(path), router.experts, router.groups, router.chosen_groups, router.chosen);
    REQUIRE(experts == expected.experts);
    for (size_t i = 0; i < weights.size(); ++i) {
      REQUIRE(weights[i] == Approx(expected.weights[i]).epsilon(1e-5));
    }
  }
}

TEST_CASE("equal logits choose the lower index; not a number chooses distinct experts") {
  const Router router{.experts = 6, .chosen = 3, .normalise = true};
  const std::vector<float> equal(6, 1.0f), nans(6, NAN);
  int32_t experts[3];
  float weights[3];
  ChooseExperts(router, equal.data(), experts, weights);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(experts[i] == i);
    REQUIRE(weights[i] == Approx(1.0 / 3));
  }
  ChooseExperts(router, nans.data(), experts, weights);
  for (int i = 0; i < 3; ++i) REQUIRE(experts[i] == i);
  const Router sigmoid{
      .experts = 6, .chosen = 3, .score = Router::Score::kSigmoid, .normalise = true};
  const std::vector<float> low(6, -500.0f);
  ChooseExperts(sigmoid, low.data(), experts, weights);
  REQUIRE(weights[0] == 0.0f);
}

TEST_CASE("a router that cannot choose is refused by its field") {
  const auto refused = [](Router router) { return std::string(router.Check().message()); };
  REQUIRE(refused({.experts = 5000, .chosen = 2}).find("experts is 5000") != std::string::npos);
  REQUIRE(refused({.experts = 8, .chosen = 9}).find("chosen is 9, must be 1 to 8") !=
          std::string::npos);
  REQUIRE(refused({.experts = 8, .chosen = 2, .groups = 3}).find("groups is 3") !=
          std::string::npos);
  REQUIRE(refused({.experts = 8, .chosen = 5, .groups = 2}).find("chosen is 5, must be 1 to 4") !=
          std::string::npos);
}

// Layers of some experts with their weights in plain order.
struct Layer {
  int64_t hidden, ffn;
  RandomRouter made;
  std::vector<float> gate, up, down;  // [experts][rows][cols]
  std::vector<float> gate_bias, up_bias, down_bias;
  std::vector<PackedMatrix> packed_gate, packed_up, packed_down;

  const Router& router() const { return made.router; }
  ExpertWeights weights() const {
    return {packed_gate, packed_up, packed_down, gate_bias, up_bias, down_bias};
  }
};

std::vector<PackedMatrix> PackAll(const std::vector<float>& plain, int64_t experts, int64_t rows,
                                  int64_t cols) {
  ThreadPool pool(1);
  std::vector<PackedMatrix> packed;
  for (int64_t e = 0; e < experts; ++e) {
    const auto bytes = std::as_bytes(std::span(plain).subspan(static_cast<size_t>(e * rows * cols),
                                                              static_cast<size_t>(rows * cols)));
    auto matrix = PackedMatrix::Pack(DType::kF32, rows, cols, bytes, pool);
    REQUIRE(matrix.ok());
    packed.push_back(*std::move(matrix));
  }
  return packed;
}

Layer MakeLayer(SeededStream& random, bool biases) {
  Layer layer{.hidden = RandomBetween(random, 1, 40), .ffn = RandomBetween(random, 1, 40)};
  layer.made = MakeRouter(random);
  const int64_t experts = layer.router().experts;
  layer.gate = RandomFloats(random, experts * layer.ffn * layer.hidden);
  layer.up = RandomFloats(random, experts * layer.ffn * layer.hidden);
  layer.down = RandomFloats(random, experts * layer.ffn * layer.hidden);
  layer.packed_gate = PackAll(layer.gate, experts, layer.ffn, layer.hidden);
  layer.packed_up = PackAll(layer.up, experts, layer.ffn, layer.hidden);
  layer.packed_down = PackAll(layer.down, experts, layer.hidden, layer.ffn);
  if (!biases) return layer;
  layer.gate_bias = RandomFloats(random, experts * layer.ffn);
  layer.up_bias = RandomFloats(random, experts * layer.ffn);
  layer.down_bias = RandomFloats(random, experts * layer.hidden);
  return layer;
}

double At(const std::vector<float>& values, int64_t index) {
  return values.empty() ? 0.0 : static_cast<double>(values[index]);
}

std::vector<double> ReferenceExpert(const Layer& layer, int64_t expert,
                                    const std::vector<double>& x) {
  std::vector<double> inner(layer.ffn), y(layer.hidden);
  for (int64_t f = 0; f < layer.ffn; ++f) {
    const int64_t row = expert * layer.ffn + f;
    double gate = At(layer.gate_bias, row), up = At(layer.up_bias, row);
    for (int64_t h = 0; h < layer.hidden; ++h) {
      gate += layer.gate[row * layer.hidden + h] * x[h];
      up += layer.up[row * layer.hidden + h] * x[h];
    }
    inner[f] = gate / (1 + std::exp(-gate)) * up;
  }
  for (int64_t h = 0; h < layer.hidden; ++h) {
    const int64_t row = expert * layer.hidden + h;
    y[h] = At(layer.down_bias, row);
    for (int64_t f = 0; f < layer.ffn; ++f) y[h] += layer.down[row * layer.ffn + f] * inner[f];
  }
  return y;
}

std::vector<double> Reference(const Layer& layer, const float* logits, const float* x,
                              bool weigh_inputs) {
  const Choice choice = ReferenceChoice(layer.router(), logits);
  std::vector<double> y(layer.hidden);
  for (size_t i = 0; i < choice.experts.size(); ++i) {
    std::vector<double> input(x, x + layer.hidden);
    for (double& value : input) value *= weigh_inputs ? choice.weights[i] : 1;
    const std::vector<double> given = ReferenceExpert(layer, choice.experts[i], input);
    for (int64_t h = 0; h < layer.hidden; ++h) {
      y[h] += given[h] * (weigh_inputs ? 1 : choice.weights[i]);
    }
  }
  return y;
}

TEST_CASE("a layer of experts agrees with its definition, and counts who computed") {
  const uint64_t seed = GENERATE(range(1, 31));
  SeededStream random(seed);
  const Layer layer = MakeLayer(random, seed % 2 == 0);
  const bool weigh_inputs = seed % 3 == 0;
  const Router& router = layer.router();
  const int64_t rows = RandomBetween(random, 1, 40);
  const std::vector<float> x = RandomFloats(random, rows * layer.hidden);
  const std::vector<float> logits = RandomFloats(random, rows * router.experts);
  const std::vector<float> before = RandomFloats(random, rows * layer.hidden);
  std::vector<float> y = before;
  std::vector<int64_t> counts(router.experts);
  ThreadPool pool(2);
  Scratch scratch;
  Experts experts({layer.hidden, layer.ffn, router.experts, router.chosen, rows});
  experts.Add(layer.weights(),
              {.router = router,
               .weigh_inputs = weigh_inputs,
               .logits = logits.data(),
               .x = x.data(),
               .rows = rows,
               .y = y.data(),
               .counts = counts},
              pool, scratch);
  std::vector<int64_t> expected_counts(router.experts);
  for (int64_t row = 0; row < rows; ++row) {
    const std::vector<double> expected =
        Reference(layer, &logits[row * router.experts], &x[row * layer.hidden], weigh_inputs);
    for (int64_t h = 0; h < layer.hidden; ++h) {
      const int64_t at = row * layer.hidden + h;
      CAPTURE(seed, row, h, router.experts, router.chosen);
      REQUIRE(y[at] == Approx(before[at] + expected[h]).epsilon(1e-4).margin(2e-3));
    }
    for (int32_t e : ReferenceChoice(router, &logits[row * router.experts]).experts) {
      ++expected_counts[e];
    }
  }
  REQUIRE(counts == expected_counts);
}

// Experts from `first` on, computed by another object with working memory of its own.
class Others : public ExpertsElsewhere {
 public:
  Others(const Layer& layer, int64_t first, int64_t rows)
      : layer_(layer),
        first_(first),
        products_({layer.hidden, layer.ffn, layer.router().experts - first,
                   rows * layer.router().chosen}) {}
  void Start(int64_t layer, std::span<const int64_t> begin, const float* rows) override {
    layers_.push_back(layer);
    begin_.assign(begin.begin() + first_, begin.end());
    copy_.assign(rows, rows + begin.back() * layer_.hidden);
  }
  void Finish(float* rows) override {
    ThreadPool pool(2);
    Scratch scratch;
    const ExpertWeights all = layer_.weights();
    const auto part = [&](std::span<const float> biases, int64_t each) {
      return biases.empty() ? biases : biases.subspan(static_cast<size_t>(first_ * each));
    };
    const auto at = static_cast<size_t>(first_);
    products_.Apply({{all.gate.subspan(at), all.up.subspan(at), all.down.subspan(at),
                      part(all.gate_bias, layer_.ffn), part(all.up_bias, layer_.ffn),
                      part(all.down_bias, layer_.hidden)},
                     Activation::kSilu,
                     begin_,
                     copy_.data()},
                    pool, scratch);
    const int64_t from = begin_.front() * layer_.hidden;
    std::copy(copy_.begin() + from, copy_.end(), rows + from);
  }
  const std::vector<int64_t>& layers() const { return layers_; }

 private:
  const Layer& layer_;
  const int64_t first_;
  ExpertProducts products_;
  std::vector<int64_t> layers_, begin_;
  std::vector<float> copy_;
};

TEST_CASE("experts that another has: the same bits, the same counts") {
  const uint64_t seed = GENERATE(range(1, 21));
  SeededStream random(seed);
  const Layer layer = MakeLayer(random, seed % 2 == 0);
  const Router& router = layer.router();
  if (router.experts < 2) return;
  const int64_t rows = RandomBetween(random, 1, 40);
  const int64_t own = RandomBetween(random, 1, router.experts - 1);
  const std::vector<float> x = RandomFloats(random, rows * layer.hidden);
  const std::vector<float> logits = RandomFloats(random, rows * router.experts);
  ThreadPool pool(2);
  Scratch scratch;
  Experts experts({layer.hidden, layer.ffn, router.experts, router.chosen, rows});
  Others others(layer, own, rows);
  std::vector<std::vector<float>> sums;
  std::vector<std::vector<int64_t>> counts;
  for (ExpertsElsewhere* elsewhere :
       {static_cast<ExpertsElsewhere*>(nullptr), static_cast<ExpertsElsewhere*>(&others)}) {
    sums.emplace_back(rows * layer.hidden);
    counts.emplace_back(router.experts);
    ExpertWeights weights = layer.weights();
    if (elsewhere != nullptr) {
      const auto count = static_cast<size_t>(own);
      weights.gate = weights.gate.first(count);
      weights.up = weights.up.first(count);
      weights.down = weights.down.first(count);
    }
    experts.Add(weights,
                {.router = router,
                 .weigh_inputs = seed % 3 == 0,
                 .logits = logits.data(),
                 .x = x.data(),
                 .rows = rows,
                 .y = sums.back().data(),
                 .counts = counts.back(),
                 .layer = 7,
                 .elsewhere = elsewhere},
                pool, scratch);
  }
  CAPTURE(seed, rows, own, router.experts, router.chosen);
  REQUIRE(std::memcmp(sums[0].data(), sums[1].data(), sums[0].size() * 4) == 0);
  REQUIRE(counts[0] == counts[1]);
  REQUIRE(others.layers() == std::vector<int64_t>{7});
}

TEST_CASE("a row passes its experts with the same bits alone, in any step, on any threads") {
  const uint64_t seed = GENERATE(range(1, 21));
  SeededStream random(seed);
  const Layer layer = MakeLayer(random, seed % 2 == 0);
  const Router& router = layer.router();
  constexpr int64_t kRows = 60;
  const std::vector<float> x = RandomFloats(random, kRows * layer.hidden);
  const std::vector<float> logits = RandomFloats(random, kRows * router.experts);
  std::vector<float> whole(kRows * layer.hidden), parts(kRows * layer.hidden);
  ThreadPool one(1), three(3);
  Scratch scratch;
  Experts experts({layer.hidden, layer.ffn, router.experts, router.chosen, kRows});
  const auto add = [&](int64_t first, int64_t rows, std::vector<float>& y, ThreadPool& pool) {
    experts.Add(layer.weights(),
                {.router = router,
                 .logits = &logits[first * router.experts],
                 .x = &x[first * layer.hidden],
                 .rows = rows,
                 .y = &y[first * layer.hidden]},
                pool, scratch);
  };
  add(0, kRows, whole, three);
  for (int64_t first = 0; first < kRows;) {
    const int64_t rows = std::min(kRows - first, RandomBetween(random, 1, 9));
    add(first, rows, parts, one);
    first += rows;
  }
  CAPTURE(seed);
  REQUIRE(std::memcmp(whole.data(), parts.data(), whole.size() * 4) == 0);
}

}  // namespace
}  // namespace waferline::kernels
