#include "wafer_backend/compute/plane/synthetic_source.h"

#include <catch2/catch.hpp>

namespace waferline::plane {
namespace {

SyntheticSource Source() { return SyntheticSource({{1, 2, 3}, {4}, {5, 6}}, {ShardMemory{}}); }

SequenceSpec Spec(uint64_t seed, uint32_t max_tokens) {
  SequenceSpec spec;
  spec.prompt = std::make_shared<const std::vector<TokenId>>(std::vector<TokenId>{7, 8, 9});
  spec.sampling.seed = seed;
  spec.max_tokens = max_tokens;
  return spec;
}

TokenId At(SyntheticSource* source, SequenceId id, uint32_t index) {
  const TokenValue* value = nullptr;
  REQUIRE(source->Look(id, index, &value) == ValueSource::State::kReady);
  return value->id;
}

TEST_CASE("a cheap token is a function of seed and position, in any order of looks") {
  SyntheticSource source = Source();
  source.Prefill(SequenceId{1}, Spec(5, 200));
  source.Prefill(SequenceId{2}, Spec(5, 200));
  source.Prefill(SequenceId{3}, Spec(6, 200));
  std::vector<TokenId> forward, other;
  for (uint32_t i = 0; i < 200; ++i) {
    forward.push_back(At(&source, SequenceId{1}, i));
    other.push_back(At(&source, SequenceId{3}, i));
  }
  for (uint32_t i = 200; i-- > 0;) REQUIRE(At(&source, SequenceId{2}, i) == forward[i]);
  REQUIRE(other != forward);
}

TEST_CASE("cheap sentences come whole, end at max_tokens and go on after a new prefill") {
  SyntheticSource source = Source();
  source.Prefill(SequenceId{1}, Spec(9, 50));
  for (uint32_t i = 0; i + 1 < 50; ++i) {
    const TokenId id = At(&source, SequenceId{1}, i);
    if (id == 1 || id == 2 || id == 5) REQUIRE(At(&source, SequenceId{1}, i + 1) == id + 1);
  }
  const TokenValue* value = nullptr;
  REQUIRE(source.Look(SequenceId{1}, 50, &value) == ValueSource::State::kPending);
  SequenceSpec again = Spec(9, 50);
  for (uint32_t i = 0; i < 20; ++i) again.generated.push_back(At(&source, SequenceId{1}, i));
  source.Prefill(SequenceId{2}, again);
  REQUIRE(At(&source, SequenceId{2}, 20) == At(&source, SequenceId{1}, 20));
  source.End(SequenceId{1});
  source.End(SequenceId{2});
  REQUIRE(source.memory().size() == 1);
}

TEST_CASE("prompt log-probabilities have an entry for each token after the first") {
  SyntheticSource source = Source();
  SequenceSpec spec = Spec(1, 0);
  spec.sampling.prompt_logprobs = true;
  source.Prefill(SequenceId{1}, spec);
  At(&source, SequenceId{1}, 0);
  REQUIRE(source.PromptLogprobs(SequenceId{1})->size() == 2);
}

}  // namespace
}  // namespace waferline::plane
