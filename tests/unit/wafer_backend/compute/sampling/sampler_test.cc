#include "wafer_backend/compute/sampling/sampler.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/compute/sampling/logit_scan.h"

namespace waferline::sampling {
namespace {

std::vector<float> RowFor(uint64_t step, size_t vocabulary) {
  SeededStream random(1000 + step);
  std::vector<float> logits(vocabulary);
  for (float& x : logits) x = static_cast<float>(8 * random.Uniform());
  return logits;
}

std::vector<TokenValue> Run(Sampler* sampler, uint32_t from, uint32_t to) {
  std::vector<TokenValue> values;
  Workspace workspace;
  for (uint32_t i = from; i < to; ++i) {
    auto row = RowFor(i, 300);
    values.push_back(sampler->Next(row, &workspace));
  }
  return values;
}

SamplingSpec Elaborate() {
  SamplingSpec spec;
  spec.temperature = 1.3f;
  spec.top_k = 60;
  spec.top_p = 0.93f;
  spec.repetition_penalty = 1.2f;
  spec.frequency_penalty = 0.4f;
  spec.presence_penalty = 0.3f;
  spec.logit_bias = {{5, 3.0f}, {7, -100.0f}, {100000, 1.0f}};
  spec.seed = 424242;
  spec.top_logprobs = 3;
  return spec;
}

TEST_CASE("a number that is not finite is found wherever it stands") {
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (size_t size = 1; size < 70; ++size) {
    std::vector<float> values(size, -kLargest);
    values[size / 2] = kLargest;
    CHECK(AllFinite(values));
    for (size_t at = 0; at < size; ++at) {
      for (const float wrong :
           {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
            std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN()}) {
        std::vector<float> broken = values;
        broken[at] = wrong;
        if (AllFinite(broken)) FAIL(size << " " << at << " " << wrong);
      }
    }
  }
  CHECK(AllFinite({}));
}

TEST_CASE("a sequence that is taken up midway goes on with the same tokens") {
  const std::vector<TokenId> prompt = {1, 2, 3, 200, 200};
  Sampler whole(Elaborate(), prompt, {});
  const auto all = Run(&whole, 0, 40);
  for (const uint32_t cut : {1u, 13u, 39u}) {
    std::vector<TokenId> generated;
    for (uint32_t i = 0; i < cut; ++i) generated.push_back(all[i].id);
    Sampler again(Elaborate(), prompt, generated);
    REQUIRE(again.next_index() == cut);
    const auto rest = Run(&again, cut, 40);
    for (uint32_t i = cut; i < 40; ++i) {
      REQUIRE(rest[i - cut].id == all[i].id);
      REQUIRE(rest[i - cut].logprob == all[i].logprob);
    }
  }
}

TEST_CASE("log-probabilities are those of the raw logits") {
  Sampler sampler(Elaborate(), std::vector<TokenId>{1}, {});
  Workspace workspace;
  for (uint32_t i = 0; i < 20; ++i) {
    auto row = RowFor(i, 300);
    const auto raw = row;
    const TokenValue value = sampler.Next(row, &workspace);
    double sum = 0;
    for (const float x : raw) sum += std::exp(static_cast<double>(x));
    REQUIRE(value.logprob == Approx(raw[value.id] - std::log(sum)).margin(1e-5));
    REQUIRE(value.top.size() == 3);
    for (size_t k = 0; k < 3; ++k) {
      REQUIRE(value.top[k].logprob == Approx(raw[value.top[k].id] - std::log(sum)).margin(1e-5));
      for (const float x : raw) REQUIRE((k > 0 || x <= raw[value.top[0].id]));
    }
  }
}

TEST_CASE("each penalty does what its formula says") {
  Workspace workspace;
  SamplingSpec spec;
  spec.temperature = 0;
  SECTION("repetition divides positive and multiplies negative logits of prompt and text") {
    spec.repetition_penalty = 2;
    Sampler sampler(spec, std::vector<TokenId>{0, 3}, {});
    std::vector<float> row = {4.0f, 2.1f, 1.0f, -0.5f};  // 2.0, 2.1, 1.0, -1.0
    REQUIRE(sampler.Next(row, &workspace).id == 1);
    row = {4.0f, 2.1f, 1.0f, -0.5f};  // 2.0, 1.05, 1.0
    REQUIRE(sampler.Next(row, &workspace).id == 0);
    row = {-1.0f, -1.0f, -1.5f, -9.0f};  // -2, -2, -1.5
    REQUIRE(sampler.Next(row, &workspace).id == 2);
  }
  SECTION("frequency counts generated occurrences only, presence counts once") {
    spec.frequency_penalty = 0.5f;
    Sampler frequency(spec, std::vector<TokenId>{0, 0, 0}, std::vector<TokenId>{1, 1});
    std::vector<float> row = {0.0f, 0.9f};
    REQUIRE(frequency.Next(row, &workspace).id == 0);
    spec.frequency_penalty = 0;
    spec.presence_penalty = 0.5f;
    Sampler presence(spec, std::vector<TokenId>{}, std::vector<TokenId>{1, 1, 1});
    row = {0.0f, 0.9f};
    REQUIRE(presence.Next(row, &workspace).id == 1);
  }
  SECTION("a bias forces or forbids") {
    spec.logit_bias = {{2, 100.0f}, {0, -100.0f}};
    Sampler sampler(spec, std::vector<TokenId>{}, {});
    std::vector<float> row = {50.0f, 0.0f, -40.0f};
    REQUIRE(sampler.Next(row, &workspace).id == 2);
  }
}

TEST_CASE("no end token before min_tokens, whatever the logits say") {
  SamplingSpec spec;
  spec.temperature = 2.0f;
  spec.end_ids = {2, 4};
  spec.min_tokens = 10;
  Workspace workspace;
  Sampler sampler(spec, std::vector<TokenId>{}, {});
  for (int i = 0; i < 10; ++i) {
    std::vector<float> row = {0, 0, 90, 0, 90};
    REQUIRE_FALSE(sampler.Ends(sampler.Next(row, &workspace).id));
  }
  std::vector<float> row = {0, 0, 90, 0, 90};
  REQUIRE(sampler.Ends(sampler.Next(row, &workspace).id));
}

TEST_CASE("broken logits still give a token and finite numbers") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  Workspace workspace;
  for (const float temperature : {0.0f, 1.0f}) {
    SamplingSpec spec;
    spec.temperature = temperature;
    spec.top_logprobs = 2;
    for (std::vector<float> row :
         {std::vector<float>{nan, 1, nan}, std::vector<float>{nan, nan},
          std::vector<float>{-inf, -inf, 3}, std::vector<float>{inf, 0, inf, nan}}) {
      Sampler sampler(spec, std::vector<TokenId>{}, {});
      const size_t size = row.size();
      const TokenValue value = sampler.Next(row, &workspace);
      REQUIRE(value.id >= 0);
      REQUIRE(static_cast<size_t>(value.id) < size);
      REQUIRE(std::isfinite(value.logprob));
    }
    std::vector<float> row = {nan, 1, nan};
    Sampler sampler(spec, std::vector<TokenId>{}, {});
    REQUIRE(sampler.Next(row, &workspace).id == 1);
  }
  // Every token masked: token 0 rather than a crash.
  SamplingSpec spec;
  spec.end_ids = {0, 1};
  spec.min_tokens = 5;
  Sampler sampler(spec, std::vector<TokenId>{}, {});
  std::vector<float> row = {1, 2};
  REQUIRE(sampler.Next(row, &workspace).id == 0);
}

TEST_CASE("a prompt token's log-probability") {
  Workspace workspace;
  std::vector<float> row = {0, 0, 0, 0};
  const TokenValue value = Logprobs(2, 2, row, &workspace);
  REQUIRE(value.logprob == Approx(-std::log(4.0)));
  REQUIRE(value.top.size() == 2);
  REQUIRE(value.top[0].id == 0);  // the smaller id first among equals
}

}  // namespace
}  // namespace waferline::sampling
