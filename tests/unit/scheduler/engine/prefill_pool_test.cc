#include "scheduler/engine/prefill_pool.h"

#include "tests/unit/scheduler/engine/parts_bench.h"

namespace waferline::engine {
namespace {

struct PrefillRecorder : PrefillPool::Listener {
  void OnPrefillStart(SlotIndex slot) override { started.push_back(slot); }
  void OnLayersComputed(SlotIndex, uint32_t end, int) override { layers_until.push_back(end); }
  void OnChunkComputed(SlotIndex slot, int) override { chunks.push_back(slot); }
  std::vector<SlotIndex> started, chunks;
  std::vector<uint32_t> layers_until;
};

struct PrefillBench : PartsBench {
  using PartsBench::PartsBench;
  void Build() {
    PartsBench::Build();
    pool = std::make_unique<PrefillPool>(context.get(), &recorder);
  }
  ~PrefillBench() {
    if (context) context->sequences.ReleaseAll();
  }
  // Starts as many as the policy places.
  bool Take(SlotIndex slot) {
    const auto worker = pool->Pick(slot);
    if (worker) pool->Take(slot, *worker, std::nullopt);
    return worker.has_value();
  }
  PrefillRecorder recorder;
  std::unique_ptr<PrefillPool> pool;
};

TEST_CASE("a step takes prompts in their order, as far as its budget of 64 tokens goes") {
  PrefillBench bench;
  bench.Build();
  const SlotIndex a = bench.Admit(40), b = bench.Admit(50);
  REQUIRE(bench.Take(a));
  REQUIRE(bench.Take(b));
  bench.pool->StartSteps(kLane);
  REQUIRE(bench.recorder.started == std::vector{a, b});
  bench.RunUntil(Microseconds(64));
  REQUIRE(bench[a].prefill_done == 40);
  REQUIRE(bench[b].prefill_done == 24);
  REQUIRE(bench.context->due.size() == 1);  // a's first token
  REQUIRE(bench.context->dirty.any());      // the worker has room again
  bench.pool->CheckLaws();
  bench.pool->StartSteps(kLane);
  bench.RunUntil(Microseconds(64 + 26));
  REQUIRE(bench[b].prefill_done == 50);
  REQUIRE(bench.recorder.chunks == std::vector{a, b, b});
  REQUIRE(bench.pool->Snapshot(kLane)[0].pending_tokens == 0);
}

TEST_CASE("a worker takes no more than its backlog, and none when it is lost") {
  PrefillBench bench;
  bench.Build();
  for (int i = 0; i < 3; ++i) REQUIRE(bench.Take(bench.Admit(100)));  // 256 pending are too many
  const SlotIndex waits = bench.Admit(10);
  REQUIRE(!bench.Take(waits));
  const WorkerIndex worker = bench.pool->At(kLane, {0});
  bench.pool->Lose(worker);
  REQUIRE(!bench.pool->AnyAlive(kLane));
  REQUIRE(bench.pool->ExpectedWait(kLane, 100) == 0);
  REQUIRE(bench.pool->Snapshot(kLane)[0].pending_tokens == 0);
  REQUIRE(!bench.Take(waits));
  bench.pool->Restore(worker);
  REQUIRE(bench.Take(waits));
}

TEST_CASE("of a prompt that is given up only what is in a running step is still computed") {
  PrefillBench bench;
  bench.Build();
  const SlotIndex slot = bench.Admit(100);
  REQUIRE(bench.Take(slot));
  bench.pool->StartSteps(kLane);
  bench.pool->Forget(slot);
  bench[slot].stage = std::monostate();
  bench.context->sequences.Outdate(slot);
  REQUIRE(bench.pool->Snapshot(kLane)[0].pending_tokens == 64);
  bench.RunUntil(Microseconds(64));
  REQUIRE(bench.pool->Snapshot(kLane)[0].pending_tokens == 0);
  REQUIRE(bench.recorder.chunks.empty());
  REQUIRE(bench.context->due.empty());
}

TEST_CASE("with overlap by layer all but the last are handed over within the step") {
  PrefillBench bench;
  bench.cloud.lane.overlap = Overlap::kLayer;
  bench.Build();
  REQUIRE(bench.Take(bench.Admit(64)));
  bench.pool->StartSteps(kLane);
  bench.RunUntil(Microseconds(8) - Nanoseconds(1));
  REQUIRE(bench.recorder.layers_until.empty());
  bench.RunUntil(Microseconds(8));
  REQUIRE(bench.recorder.layers_until == std::vector<uint32_t>{64});
  REQUIRE(bench.recorder.chunks.empty());
  bench.RunUntil(Microseconds(64));
  REQUIRE(bench.recorder.chunks.size() == 1);
}

}  // namespace
}  // namespace waferline::engine
