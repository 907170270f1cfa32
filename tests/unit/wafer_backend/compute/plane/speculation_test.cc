// Speculation changes how soon, never what.
#include <catch2/catch.hpp>

#include "tests/unit/wafer_backend/compute/plane/plane_client.h"
#include "wafer_backend/compute/plane/compute_plane.h"
#include "wafer_backend/compute/plane/lookup_drafter.h"

namespace waferline::plane {
namespace {

test::RandomModelSpec ModelOf(uint64_t seed) {
  test::RandomModelSpec spec;
  spec.layers = 2;
  spec.dtype = kernels::DType::kQ8_0;
  spec.seed = seed;
  return spec;
}

// Prompts that repeat themselves, so that there is something to look up.
std::vector<SequenceSpec> RepetitiveSpecs(SeededStream* random, int count) {
  std::vector<SequenceSpec> specs;
  for (int i = 0; i < count; ++i) {
    SequenceSpec spec = RandomSpec(random, 256, 40);
    std::vector<TokenId> prompt;
    for (int k = 0; k < 30; ++k) prompt.push_back((*spec.prompt)[k % 5 % spec.prompt->size()]);
    spec.prompt = std::make_shared<const std::vector<TokenId>>(prompt);
    if (i % 2 == 0) spec.sampling.temperature = 0;  // a small greedy model soon repeats itself
    specs.push_back(spec);
  }
  return specs;
}

TEST_CASE("constrained streams are the same with speculation, right guesses or not") {
  const auto file = OpenRandom(ModelOf(1));
  SeededStream random(16);
  auto specs = RepetitiveSpecs(&random, 4);
  for (SequenceSpec& spec : specs) spec.sampling.constraint = std::make_shared<HalfOfAll>(256);
  PlaneOptions options = OneShard(file);
  TestWaker waker;
  const auto want = RunAll(PlaneOf(options, &waker).get(), &waker, specs, 1);
  options.speculation.lookup = true;
  options.speculation.draft = file;
  options.local.shards = 2;
  auto plane = PlaneOf(options, &waker);
  const auto got = RunAll(plane.get(), &waker, specs, 100);
  for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
  REQUIRE(plane->counters().drafted_tokens > plane->counters().accepted_tokens);
  REQUIRE(plane->counters().accepted_tokens > 0);
}

TEST_CASE("streams are bit-identical with every kind of speculation, alone and in a batch") {
  const auto file = OpenRandom(ModelOf(1));
  const uint64_t seed = 15;
  SeededStream random(seed);
  auto specs = RepetitiveSpecs(&random, 8);
  // Drafts do not know constraints: guesses for such sequences are a test of their own.
  for (SequenceSpec& spec : specs) spec.sampling.constraint = nullptr;
  PlaneOptions options = OneShard(file);
  TestWaker waker;
  std::vector<std::vector<TokenValue>> want;
  uint64_t plain_steps = 0;
  {
    auto plane = PlaneOf(options, &waker);
    for (size_t i = 0; i < specs.size(); ++i) {
      want.push_back(RunAll(plane.get(), &waker, {specs[i]}, i + 1)[0]);
    }
    RequireEmpty(plane.get());
    plain_steps = plane->counters().decode_steps;
  }
  struct Variant {
    const char* name;
    bool lookup;
    uint64_t draft_seed;  // 0: no draft model; 1: the model itself
    int64_t shards;
    bool together;
  };
  for (const Variant& v :
       {Variant{"lookup alone", true, 0, 1, false}, Variant{"lookup, batch", true, 0, 2, true},
        Variant{"itself alone", false, 1, 1, false}, Variant{"itself, batch", false, 1, 2, true},
        Variant{"a bad draft", false, 99, 1, false}, Variant{"both", true, 1, 1, true}}) {
    INFO("seed " << seed << " " << v.name);
    PlaneOptions with = options;
    with.local.shards = v.shards;
    with.speculation.lookup = v.lookup;
    if (v.draft_seed > 0) with.speculation.draft = OpenRandom(ModelOf(v.draft_seed));
    auto plane = PlaneOf(with, &waker);
    if (v.together) {
      const auto got = RunAll(plane.get(), &waker, specs, 100);
      for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
    } else {
      for (size_t i = 0; i < specs.size(); ++i) {
        REQUIRE(SameValues(RunAll(plane.get(), &waker, {specs[i]}, 100 + i)[0], want[i]));
      }
    }
    RequireEmpty(plane.get());
    const PlaneCounters counters = plane->counters();
    REQUIRE(counters.decode_tokens == specs.size() * 39);
    REQUIRE(counters.decode_rows >= counters.decode_tokens);
    REQUIRE(counters.drafted_tokens > 0);
    REQUIRE(counters.accepted_tokens <= counters.drafted_tokens);
    REQUIRE(counters.decode_rows - counters.drafted_tokens ==
            counters.decode_tokens - counters.accepted_tokens);
    if (v.draft_seed == 1 && !v.together) {
      // Its own draft: right but for what penalties change, so far fewer steps.
      REQUIRE(counters.decode_steps * 2 < plain_steps);
      REQUIRE(counters.accepted_tokens * 10 > counters.drafted_tokens * 7);
    }
    if (v.lookup && !v.together) REQUIRE(counters.decode_steps < plain_steps);
  }
}

TEST_CASE("nothing is guessed beyond what is wanted, and sequences may end midway") {
  PlaneOptions options = OneShard(OpenRandom(ModelOf(1)));
  options.speculation.draft = options.local.file;
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  SeededStream random(3);
  SequenceSpec spec = RandomSpec(&random, 256, 40);
  spec.sampling.repetition_penalty = 1;
  const auto want = RunAll(plane.get(), &waker, {spec}, 1)[0];
  for (uint64_t id = 10; id < 30; ++id) {
    plane->Prefill(SequenceId{id}, spec);
    plane->Activate(SequenceId{id});
    const auto count = 1 + static_cast<uint32_t>(random.Next() % 40);
    plane->Want(SequenceId{id}, count);
    const TokenValue* value = nullptr;
    REQUIRE(waker.WaitUntil([&] {
      return plane->Look(SequenceId{id}, count - 1, &value) == ValueSource::State::kReady;
    }));
    REQUIRE(SameValue(*value, want[count - 1]));
    if (count < 40) {
      REQUIRE(plane->Look(SequenceId{id}, count, &value) == ValueSource::State::kPending);
    }
    plane->End(SequenceId{id});
  }
  // An end id among accepted guesses ends the stream there.
  spec.sampling.end_ids = {want[20].id};
  size_t first = 0;
  while (want[first].id != want[20].id) ++first;
  plane->Prefill(SequenceId{50}, spec);
  plane->Activate(SequenceId{50});
  plane->Want(SequenceId{50}, 40);
  const TokenValue* value = nullptr;
  REQUIRE(waker.WaitUntil([&] {
    return plane->Look(SequenceId{50}, static_cast<uint32_t>(first), &value) ==
           ValueSource::State::kReady;
  }));
  REQUIRE(plane->Look(SequenceId{50}, static_cast<uint32_t>(first) + 1, &value) ==
          ValueSource::State::kPending);
  plane->End(SequenceId{50});
  RequireEmpty(plane.get());
}

TEST_CASE("lookup goes on as the text went on, also over its own end") {
  LookupDrafter drafter;
  const auto draft = [&drafter](const std::vector<TokenId>& text, uint32_t most) {
    static uint64_t job = 0;
    std::vector<TokenId> out;
    const SamplingSpec spec;
    DraftRequest request{
        .job = ++job, .text = text, .sampling = &spec, .max_tokens = most, .draft = &out};
    drafter.Draft({&request, 1});
    return out;
  };
  REQUIRE(draft({1, 2, 3, 4, 5, 9, 1, 2, 3}, 2) == std::vector<TokenId>{4, 5});
  REQUIRE(draft({1, 2, 3, 4, 5, 9, 2, 3}, 3) == std::vector<TokenId>{4, 5, 9});
  REQUIRE(draft({7, 8, 7, 8, 7, 8}, 5) == std::vector<TokenId>{7, 8, 7, 8, 7});
  REQUIRE(draft({1, 2, 3, 4}, 5).empty());
  REQUIRE(draft({5}, 5).empty());
  // Three tokens decide before two.
  REQUIRE(draft({1, 2, 3, 50, 9, 2, 3, 60, 1, 2, 3}, 1) == std::vector<TokenId>{50});
}

TEST_CASE("a draft model of another vocabulary is refused") {
  PlaneOptions options;
  options.local.file = OpenRandom(ModelOf(1));
  test::RandomModelSpec other = ModelOf(1);
  other.vocabulary = test::VocabularyKind::kBytePairs;
  options.speculation.draft = OpenRandom(other);
  TestWaker waker;
  const auto plane = ComputePlane::Create(options, &waker);
  REQUIRE(absl::IsInvalidArgument(plane.status()));
  REQUIRE(plane.status().ToString().find("vocabulary") != std::string::npos);
}

}  // namespace
}  // namespace waferline::plane
