// Sequences come and go at any moment: what they held comes back, the others do not notice.
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "tests/unit/wafer_backend/compute/plane/plane_client.h"
#include "wafer_backend/compute/plane/compute_plane.h"

namespace waferline::plane {
namespace {

PlaneOptions Small() { return OneShard(OpenRandom({})); }

TEST_CASE("64 sequences, a third ended at random: everything comes back, the rest is right") {
  const int prefill_threads = GENERATE(0, 1);
  PlaneOptions options = Small();
  options.local.shards = 2;
  options.local.slots = 40;  // fewer than sequences: some wait for one
  options.local.prefill.chunk_tokens = 20;
  options.local.prefill_threads = prefill_threads;
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  const uint64_t seed = 4242;
  SeededStream random(seed);
  std::vector<SequenceSpec> specs = RandomSpecs(&random, 64, 24);
  std::vector<std::vector<TokenValue>> want;
  for (size_t i = 0; i < specs.size(); ++i) {
    want.push_back(RunAll(plane.get(), &waker, {specs[i]}, 1000 + i)[0]);
  }
  RequireEmpty(plane.get());

  for (uint64_t round = 0; round < 3; ++round) {
    INFO("seed " << seed << " round " << round << " prefill threads " << prefill_threads);
    const uint64_t base = 10000 * (round + 1);
    struct Client {
      uint32_t leaves_after = 0;  // values; 1000: stays
      bool activated = false, gone = false;
      std::vector<TokenValue> values;
    };
    std::vector<Client> clients(specs.size());
    for (size_t i = 0; i < specs.size(); ++i) {
      clients[i].leaves_after =
          random.Next() % 3 == 0 ? static_cast<uint32_t>(random.Next() % 24) : 1000;
      plane->Prefill(SequenceId{base + i}, specs[i]);
      plane->Want(SequenceId{base + i}, 1 + static_cast<uint32_t>(random.Next() % 24));
      if (random.Next() % 2 == 0) {
        plane->Activate(SequenceId{base + i});
        clients[i].activated = true;
      }
      if (clients[i].leaves_after == 0) {
        plane->End(SequenceId{base + i});
        clients[i].gone = true;
      }
    }
    const bool finished = waker.WaitUntil([&] {
      size_t gone = 0;
      for (size_t i = 0; i < specs.size(); ++i) {
        Client& client = clients[i];
        const SequenceId id{base + i};
        while (!client.gone) {
          const TokenValue* value = nullptr;
          const auto index = static_cast<uint32_t>(client.values.size());
          const auto state = plane->Look(id, index, &value);
          REQUIRE(state != ValueSource::State::kFailed);
          if (state == ValueSource::State::kPending) break;
          client.values.push_back(*value);
          if (!client.activated) plane->Activate(id);
          client.activated = true;
          plane->Want(id, static_cast<uint32_t>(client.values.size() + 1 + random.Next() % 5));
          if (client.values.size() >= std::min(client.leaves_after, 24u)) {
            plane->End(id);
            client.gone = true;
          }
        }
        gone += client.gone ? 1 : 0;
      }
      return gone == specs.size();
    });
    REQUIRE(finished);
    for (size_t i = 0; i < specs.size(); ++i) {
      for (size_t k = 0; k < clients[i].values.size(); ++k) {
        REQUIRE(SameValue(clients[i].values[k], want[i][k]));
      }
      if (clients[i].leaves_after == 1000) REQUIRE(clients[i].values.size() == 24);
    }
    RequireEmpty(plane.get());
  }
}

TEST_CASE("nothing is computed that was not wanted") {
  PlaneOptions options = Small();
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  SeededStream random(3);
  SequenceSpec spec = RandomSpec(&random, 256, 20);
  const SequenceId id{1};
  const TokenValue* value = nullptr;
  plane->Prefill(id, spec);
  plane->Activate(id);
  plane->Want(id, 5);
  REQUIRE(
      waker.WaitUntil([&] { return plane->Look(id, 4, &value) == ValueSource::State::kReady; }));
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(plane->Look(id, 5, &value) == ValueSource::State::kPending);
  }
  plane->Want(id, 1000);  // bounded by max_tokens
  REQUIRE(
      waker.WaitUntil([&] { return plane->Look(id, 19, &value) == ValueSource::State::kReady; }));
  plane->End(id);
  RequireEmpty(plane.get());
  REQUIRE(plane->counters().decode_tokens == 19);
}

TEST_CASE("an end id is the last token, after min_tokens at the earliest") {
  PlaneOptions options = Small();
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  SeededStream random(12);
  SequenceSpec spec = RandomSpec(&random, 256, 30);
  const auto all = RunAll(plane.get(), &waker, {spec})[0];
  spec.sampling.end_ids = {all[7].id};
  size_t first = 0;
  while (all[first].id != all[7].id) ++first;
  const SequenceId id{50};
  plane->Prefill(id, spec);
  plane->Activate(id);
  plane->Want(id, 30);
  const TokenValue* value = nullptr;
  REQUIRE(waker.WaitUntil([&] {
    return plane->Look(id, static_cast<uint32_t>(first), &value) == ValueSource::State::kReady;
  }));
  REQUIRE(value->id == all[7].id);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  REQUIRE(plane->Look(id, static_cast<uint32_t>(first) + 1, &value) ==
          ValueSource::State::kPending);
  plane->End(id);
  spec.sampling.min_tokens = 20;
  spec.max_tokens = 20;
  const auto later = RunAll(plane.get(), &waker, {spec}, 60)[0];
  for (const TokenValue& drawn : later) {
    REQUIRE(drawn.id != all[7].id);
  }
}

TEST_CASE("what cannot be computed fails with a reason and harms no other") {
  PlaneOptions options = Small();
  options.local.prefill.kv_bytes = Bytes(20 * 4096);  // 20 pages
  TestWaker waker;
  auto plane = PlaneOf(options, &waker);
  SeededStream random(4);
  const auto fails = [&](SequenceSpec spec, absl::StatusCode code) {
    static uint64_t next = 500;
    const SequenceId id{next++};
    plane->Prefill(id, std::move(spec));
    plane->Want(id, 3);
    plane->Activate(id);
    const TokenValue* value = nullptr;
    REQUIRE(
        waker.WaitUntil([&] { return plane->Look(id, 0, &value) == ValueSource::State::kFailed; }));
    INFO(plane->Failure(id));
    REQUIRE(plane->Failure(id).code() == code);
    plane->End(id);
  };
  SequenceSpec spec = RandomSpec(&random, 256, 10);
  SequenceSpec long_prompt = spec;
  long_prompt.prompt = std::make_shared<const std::vector<TokenId>>(257, 1);
  fails(long_prompt, absl::StatusCode::kInvalidArgument);
  SequenceSpec long_output = spec;
  long_output.max_tokens = 257;
  fails(long_output, absl::StatusCode::kInvalidArgument);
  SequenceSpec bad_token = spec;
  bad_token.prompt = std::make_shared<const std::vector<TokenId>>(std::vector<TokenId>{1, 99999});
  fails(bad_token, absl::StatusCode::kInvalidArgument);
  SequenceSpec empty = spec;
  empty.prompt = std::make_shared<const std::vector<TokenId>>();
  fails(empty, absl::StatusCode::kInvalidArgument);
  SequenceSpec big = spec;
  big.prompt = std::make_shared<const std::vector<TokenId>>(250, 1);
  big.max_tokens = 2;
  plane->Prefill(SequenceId{1}, big);
  plane->Prefill(SequenceId{2}, big);
  const TokenValue* value = nullptr;
  REQUIRE(waker.WaitUntil([&] {
    return plane->Look(SequenceId{2}, 0, &value) != ValueSource::State::kPending &&
           plane->Look(SequenceId{1}, 0, &value) != ValueSource::State::kPending;
  }));
  REQUIRE(plane->Look(SequenceId{1}, 0, &value) == ValueSource::State::kReady);
  REQUIRE(plane->Failure(SequenceId{2}).code() == absl::StatusCode::kResourceExhausted);
  plane->End(SequenceId{1});
  plane->End(SequenceId{2});
  REQUIRE(RunAll(plane.get(), &waker, {spec}, 900)[0].size() == 10);
  RequireEmpty(plane.get());
}

TEST_CASE("a full SRAM fails the sequence that does not fit, with the arithmetic") {
  PlaneOptions options = Small();
  TestWaker waker;
  const ShardMemory memory = PlaneOf(options, &waker)->memory()[0];
  options.local.sram = memory.weights + memory.buffers + 3 * memory.kv_per_page;
  auto plane = PlaneOf(options, &waker);
  SequenceSpec spec;
  spec.prompt = std::make_shared<const std::vector<TokenId>>(20, 5);
  spec.max_tokens = 13;  // 32 positions are stored: two pages
  plane->Prefill(SequenceId{1}, spec);
  plane->Activate(SequenceId{1});
  plane->Want(SequenceId{1}, 13);
  const TokenValue* value = nullptr;
  REQUIRE(waker.WaitUntil(
      [&] { return plane->Look(SequenceId{1}, 12, &value) == ValueSource::State::kReady; }));
  plane->Prefill(SequenceId{2}, spec);
  plane->Activate(SequenceId{2});
  plane->Want(SequenceId{2}, 13);
  REQUIRE(waker.WaitUntil(
      [&] { return plane->Look(SequenceId{2}, 1, &value) == ValueSource::State::kFailed; }));
  REQUIRE(plane->Failure(SequenceId{2}).code() == absl::StatusCode::kResourceExhausted);
  plane->End(SequenceId{1});
  plane->End(SequenceId{2});
  REQUIRE(RunAll(plane.get(), &waker, {spec}, 10)[0].size() == 13);
  RequireEmpty(plane.get());
}

TEST_CASE("options that make no sense are refused") {
  TestWaker waker;
  PlaneOptions options = Small();
  options.local.shards = 3;  // of two layers
  REQUIRE(ComputePlane::Create(options, &waker).status().code() ==
          absl::StatusCode::kInvalidArgument);
  options = Small();
  options.local.sram = Bytes(1000);
  REQUIRE(ComputePlane::Create(options, &waker).status().code() ==
          absl::StatusCode::kResourceExhausted);
  options = Small();
  options.local.page_tokens = 17;
  REQUIRE_FALSE(ComputePlane::Create(options, &waker).ok());
}

}  // namespace
}  // namespace waferline::plane
