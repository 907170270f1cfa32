// Law 4 through the whole plane: whatever runs with a sequence and however it is cut, its values
// are the same bits.
#include <catch2/catch.hpp>

#include "tests/unit/wafer_backend/compute/plane/plane_client.h"
#include "wafer_backend/compute/plane/compute_plane.h"

namespace waferline::plane {
namespace {

using kernels::DType;

test::RandomModelSpec ModelOf(DType dtype) {
  test::RandomModelSpec spec;
  spec.dtype = dtype;
  spec.layers = 4;
  spec.seed = 40 + static_cast<uint64_t>(dtype);
  // KV of all kinds: plain; of some layers a window; latent.
  if (dtype == DType::kBF16) spec.architecture = "gemma2";
  if (dtype == DType::kQ8_0) spec.architecture = "gpt-oss";
  if (dtype == DType::kQ4_0) spec.architecture = "deepseek2";
  if (dtype == DType::kBF16 || dtype == DType::kQ8_0) spec.window = 20;
  return spec;
}

TEST_CASE("law 4: alone, in company, on any shards, in any chunks, on any threads") {
  const DType dtype = GENERATE(DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ4_0);
  const auto file = OpenRandom(ModelOf(dtype));
  const uint64_t seed = 900 + static_cast<uint64_t>(dtype);
  SeededStream random(seed);
  std::vector<SequenceSpec> specs = RandomSpecs(&random, 12, 30);
  const auto want = EachAlone(OneShard(file), specs);
  struct Variant {
    int64_t shards, chunk, busy_chunk, max_batch;
    int threads, prefill_threads;
  };
  for (const Variant& v :
       {Variant{1, 256, 64, 64, 1, 0}, Variant{2, 7, 3, 64, 2, 0}, Variant{4, 50, 50, 5, 2, 0},
        Variant{2, 16, 16, 64, 1, 1}, Variant{1, 1, 1, 2, 1, 2}}) {
    INFO("dtype " << kernels::Name(dtype) << " seed " << seed << " shards " << v.shards << " chunk "
                  << v.chunk << " batch " << v.max_batch << " threads " << v.threads << " + "
                  << v.prefill_threads);
    PlaneOptions options = OneShard(file);
    options.local.shards = v.shards;
    options.local.prefill.chunk_tokens = v.chunk;
    options.local.busy_chunk_tokens = v.busy_chunk;
    options.local.prefill_threads = v.prefill_threads;
    options.max_batch = v.max_batch;
    options.threads = v.threads;
    TestWaker waker;
    auto plane = PlaneOf(options, &waker);
    const auto got = RunAll(plane.get(), &waker, specs);
    for (size_t i = 0; i < specs.size(); ++i) REQUIRE(SameValues(got[i], want[i]));
  }
}

TEST_CASE("law 4: a sequence that is prefilled again midway goes on with the same tokens") {
  const auto file = OpenRandom(ModelOf(DType::kQ8_0));
  SeededStream random(77);
  std::vector<SequenceSpec> specs = RandomSpecs(&random, 8, 25);
  const auto want = EachAlone(OneShard(file), specs);
  for (size_t i = 0; i < specs.size(); ++i) {
    const size_t cut = 1 + random.Next() % 24;
    for (size_t k = 0; k < cut; ++k) specs[i].generated.push_back(want[i][k].id);
  }
  PlaneOptions options = OneShard(file);
  options.local.shards = 2;
  options.local.prefill.chunk_tokens = 11;
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  const auto rest = RunAll(plane.get(), &waker, specs);
  for (size_t i = 0; i < specs.size(); ++i) {
    REQUIRE(SameValues(
        rest[i],
        {want[i].begin() + static_cast<ptrdiff_t>(specs[i].generated.size()), want[i].end()}));
  }
}

TEST_CASE("law 3: activation bytes are rows x hidden x 4 on every hop") {
  const auto file = OpenRandom(ModelOf(DType::kF32));
  PlaneOptions options = OneShard(file);
  options.local.shards = 4;
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  SeededStream random(5);
  std::vector<SequenceSpec> specs = RandomSpecs(&random, 6, 20);
  RunAll(plane.get(), &waker, specs);
  RequireEmpty(plane.get());
  const PlaneCounters counters = plane->counters();
  REQUIRE(counters.decode_rows == 6 * 19);  // the first of each comes from the prefill
  REQUIRE(counters.decode_tokens == counters.decode_rows);
  REQUIRE(counters.activation_bytes.size() == 3);
  for (const link::LinkBytes& bytes : counters.activation_bytes) {
    REQUIRE(bytes.frames == counters.decode_steps);
    REQUIRE(bytes.payload == counters.decode_rows * 64 * sizeof(float));
    REQUIRE(bytes.framing == counters.decode_steps * 28 + counters.decode_rows * 8);
  }
}

TEST_CASE("prompt log-probabilities: the same in any chunks, and what the model says") {
  const auto file = OpenRandom(ModelOf(DType::kF32));
  SeededStream random(6);
  SequenceSpec spec = RandomSpec(&random, 256, 1);
  spec.prompt = std::make_shared<const std::vector<TokenId>>(
      std::vector<TokenId>{1, 50, 60, 70, 80, 90, 100, 50, 60, 71, 82, 33, 44, 55, 66, 77, 88, 99});
  spec.sampling.prompt_logprobs = true;
  std::vector<std::vector<TokenValue>> seen;
  for (const int64_t chunk : {256, 5, 1}) {
    PlaneOptions options = OneShard(file);
    options.local.prefill.chunk_tokens = chunk;
    seen.push_back(PromptLogprobsOf(options, spec));
  }
  REQUIRE(seen[0].size() == spec.prompt->size() - 1);
  REQUIRE(SameValues(seen[0], seen[1]));
  REQUIRE(SameValues(seen[0], seen[2]));
  // Token p + 1 has the probability that a sequence ending at p gives it.
  PlaneOptions options = OneShard(file);
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  for (size_t p = 1; p < spec.prompt->size(); ++p) {
    REQUIRE(seen[0][p - 1].id == (*spec.prompt)[p]);
    SequenceSpec front = spec;
    front.sampling = SamplingSpec();
    front.sampling.temperature = 0;
    front.sampling.top_logprobs = 5;
    front.prompt = std::make_shared<const std::vector<TokenId>>(
        spec.prompt->begin(), spec.prompt->begin() + static_cast<ptrdiff_t>(p));
    const TokenValue value = RunAll(plane.get(), &waker, {front}, 100 + p)[0][0];
    for (size_t k = 0; k < 5; ++k) {
      REQUIRE(value.top[k].id == seen[0][p - 1].top[k].id);
      REQUIRE(value.top[k].logprob == seen[0][p - 1].top[k].logprob);
    }
  }
}

}  // namespace
}  // namespace waferline::plane
