#include "wafer_backend/compute/shard/shard.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/wafer_backend/compute/shard/shard_chain.h"

namespace waferline::shard {
namespace {

TEST_CASE(
    "law 2: weights, buffers and KV fit the SRAM at every moment and every byte has an owner") {
  kernels::ThreadPool pool(1);
  const auto file = OpenRandom({});
  auto packed = PackedModel::Load(file, {0, 2}, &pool);
  REQUIRE(packed.ok());
  auto roomy = Shard::Create(*packed, {.range = {0, 2}, .page_tokens = 16}, &pool);
  REQUIRE(roomy.ok());
  const ShardMemory memory = (*roomy)->memory();
  // Room for exactly ten pages.
  const Bytes sram = memory.weights + memory.buffers + 10 * memory.kv_per_page;
  auto shard = Shard::Create(*packed, {.range = {0, 2}, .sram = sram, .page_tokens = 16}, &pool);
  REQUIRE(shard.ok());
  REQUIRE((*shard)->memory().kv_capacity() == 10 * memory.kv_per_page);
  const uint64_t seed = 8;
  SeededStream random(seed);
  std::vector<int64_t> pages(20, 0);
  int64_t reserved = 0;
  bool was_full = false;
  for (int i = 0; i < 2000; ++i) {
    INFO("seed " << seed << " call " << i);
    const auto slot = static_cast<uint32_t>(random.Next() % pages.size());
    if (pages[slot] > 0) {
      (*shard)->Close(slot);
      reserved -= pages[slot];
      pages[slot] = 0;
    } else {
      const auto positions = 1 + static_cast<uint32_t>(random.Next() % 70);
      const int64_t wanted = PagesFor(positions, 16);
      const absl::Status status = (*shard)->Open(slot, positions, 1);
      REQUIRE(status.ok() == (reserved + wanted <= 10));
      if (status.ok()) {
        pages[slot] = wanted;
        reserved += wanted;
        REQUIRE((*shard)
                    ->Step({1, {{slot, 0}}, {5}}, std::make_unique<link::ActivationFrame>().get())
                    .ok());
      } else {
        REQUIRE(status.code() == absl::StatusCode::kResourceExhausted);
        was_full = true;
      }
    }
    REQUIRE((*shard)->kv_reserved() == reserved * memory.kv_per_page);
    REQUIRE(memory.weights + memory.buffers + (*shard)->kv_reserved() <= sram);
    REQUIRE((*shard)->kv_in_use() <= (*shard)->kv_reserved());
  }
  REQUIRE(was_full);
  (*shard)->CloseAll();
  REQUIRE((*shard)->kv_reserved() == Bytes(0));
  REQUIRE((*shard)->kv_in_use() == Bytes(0));
}

TEST_CASE("a model that does not fit is refused with the arithmetic") {
  kernels::ThreadPool pool(1);
  auto packed = PackedModel::Load(OpenRandom({}), {0, 2}, &pool);
  REQUIRE(packed.ok());
  const auto shard = Shard::Create(*packed, {.range = {0, 2}, .sram = Bytes(300'000)}, &pool);
  REQUIRE(shard.status().code() == absl::StatusCode::kResourceExhausted);
  const std::string message(shard.status().message());
  for (const char* part : {"weights", "buffers", "one page of KV",
                           " bytes, but its SRAM has 300000;", "more shards"}) {
    INFO(part << " in " << message);
    REQUIRE(message.find(part) != std::string::npos);
  }
}

TEST_CASE("loading a model ends when a stop is asked for") {
  kernels::ThreadPool pool(1);
  const std::atomic<bool> on{false}, ended{true};
  CHECK(PackedModel::LoadPart(OpenRandom({}), {.layers = {0, 2}}, &pool, &on).ok());
  const auto stopped = PackedModel::LoadPart(OpenRandom({}), {.layers = {0, 2}}, &pool, &ended);
  CHECK(stopped.status().code() == absl::StatusCode::kCancelled);
}

TEST_CASE("what a peer sends is checked before anything changes") {
  kernels::ThreadPool pool(1);
  ShardChain chain(OpenRandom({}), 2, &pool);
  Shard& first = *chain.shards()[0];
  Shard& last = *chain.shards()[1];
  link::ActivationFrame out;
  REQUIRE_FALSE(first.Step({1, {{0, 0}}, {1}}, &out).ok());  // not open
  chain.Open(0, 20);
  REQUIRE_FALSE(first.Open(0, 20, 1).ok());
  REQUIRE_FALSE(first.Open(32, 1, 1).ok());
  REQUIRE_FALSE(first.Open(1, 257, 1).ok());  // beyond the context
  REQUIRE_FALSE(first.Open(1, 0, 1).ok());
  REQUIRE_FALSE(first.Step({1, {{0, 32}}, {1}}, &out).ok());  // two pages were reserved
  REQUIRE_FALSE(first.Step({1, {{0, 0}}, {-1}}, &out).ok());
  REQUIRE_FALSE(first.Step({1, {{0, 0}}, {1 << 30}}, &out).ok());
  REQUIRE_FALSE(last.Step({1, {{0, 0}}, {1}}, &out).ok());              // tokens into the second
  REQUIRE_FALSE(first.Step({1, {{0, 0}, {0, 2}}, {1, 1}}, &out).ok());  // one is left out
  REQUIRE(first.kv_in_use() == Bytes(0));
  REQUIRE_FALSE(first.Step({7, {{0, 32}}, {1}}, &out).ok());
  REQUIRE(out.step == 7);  // the error is that step's, not one before's
  REQUIRE(first.Step({1, {{0, 0}}, {1}}, &out).ok());
  link::LogitsFrame logits;
  REQUIRE_FALSE(first.Head(out, &logits).ok());
  out.width += 1;
  REQUIRE_FALSE(last.Step(&out).ok());
  link::KvFrame kv;
  kv.first_layer = 0;
  kv.layer_count = 1;
  kv.positions = 16;
  kv.data.resize(static_cast<size_t>(first.kv().layout().layer_bytes().count()));
  REQUIRE(first.Receive(kv).ok());
  for (int fault = 0; fault < 6; ++fault) {
    link::KvFrame bad = kv;
    if (fault == 0) bad.slot = 99;
    if (fault == 1) bad.first_layer = 1;  // the other shard's
    if (fault == 2) bad.first_position = 32;
    if (fault == 3) bad.first_position = 3;
    if (fault == 4) bad.data.pop_back();
    if (fault == 5) bad.positions = 17;
    INFO(fault);
    REQUIRE_FALSE(first.Receive(bad).ok());
  }
  // Pages of a sequence that ended meanwhile are dropped, not written into another's slot.
  link::KvFrame late = kv;
  late.job = 1234;
  late.first_position = 16;
  const Bytes held = first.kv_in_use();
  REQUIRE(first.Receive(late).ok());
  late.slot = 5;
  REQUIRE(first.Receive(late).ok());
  REQUIRE(first.kv_in_use() == held);
}

TEST_CASE("layers are cut as evenly as can be") {
  REQUIRE(CutEvenly(7, 3) == std::vector<LayerRange>{{0, 3}, {3, 5}, {5, 7}});
  REQUIRE(CutEvenly(4, 4).back() == LayerRange{3, 4});
}

TEST_CASE("fingerprints tell models apart") {
  kernels::ThreadPool pool(1);
  const auto print = [&](const test::RandomModelSpec& spec) {
    auto packed = PackedModel::Load(OpenRandom(spec), {0, 1}, &pool);
    REQUIRE(packed.ok());
    return (*packed)->fingerprint();
  };
  test::RandomModelSpec spec;
  const uint64_t one = print(spec);
  REQUIRE(print(spec) == one);
  spec.seed = 2;
  REQUIRE(print(spec) != one);
}

}  // namespace
}  // namespace waferline::shard
