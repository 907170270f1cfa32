#include "scheduler/engine/decode_pool.h"

#include "tests/unit/scheduler/engine/parts_bench.h"

namespace waferline::engine {
namespace {

struct DecodeRecorder : HandoffLedger::Listener, TokenEmitter::Listener {
  void OnFlowArrived(SlotIndex) override {}
  void OnLeaseExpired(SlotIndex) override {}
  void OnOver(SlotIndex slot, FinishReason, absl::Status) override { over.push_back(slot); }
  void OnValueFailed(SlotIndex, absl::Status) override {}
  std::vector<SlotIndex> over;
};

struct DecodeBench : PartsBench {
  explicit DecodeBench(const CloudShape& shape) : PartsBench(shape) {
    Build();
    ledger = std::make_unique<HandoffLedger>(context.get(), &recorder);
    emitter = std::make_unique<TokenEmitter>(context.get(), &recorder);
    pool = std::make_unique<DecodePool>(context.get(), emitter.get(), ledger.get());
  }
  ~DecodeBench() { context->sequences.ReleaseAll(); }
  // Has room on the unit that the policy picks, and its values.
  bool Settle(SlotIndex slot) {
    const auto unit = pool->Pick(slot);
    if (!unit) return false;
    Prefilling prefilling{Admitted()};
    prefilling.room = pool->Take(*unit, slot);
    (*this)[slot].stage = Resident(std::move(prefilling));
    context->sequences.hot(slot).id = SequenceId{slot.value + 1};
    emitter->Start(slot);
    return true;
  }
  DecodeRecorder recorder;
  std::unique_ptr<HandoffLedger> ledger;
  std::unique_ptr<TokenEmitter> emitter;
  std::unique_ptr<DecodePool> pool;
};

TEST_CASE("a unit gives room until its slots or pages are taken, and again after it is returned") {
  for (const CloudShape& shape : {CloudShape{.max_running = 2}, CloudShape{.pages = 4}}) {
    DecodeBench bench(shape);
    const SlotIndex a = bench.Admit(20), b = bench.Admit(20), c = bench.Admit(20);
    REQUIRE(bench.Settle(a));
    REQUIRE(bench.Settle(b));
    REQUIRE(!bench.Settle(c));
    bench.pool->CheckLaws();
    bench.pool->Return(a);
    bench[a].stage = std::monostate();
    REQUIRE(bench.Settle(c));
    bench.pool->CheckLaws();
    REQUIRE(bench.pool->Snapshot(kLane)[0].running == 2);
  }
}

TEST_CASE("a lost or unreachable unit is not picked") {
  DecodeBench bench({.units = 2, .own_links = true});
  const SlotIndex slot = bench.Admit(20);
  const UnitIndex first = bench.pool->At(kLane, {0}), second = bench.pool->At(kLane, {1});
  REQUIRE(bench.pool->Pick(slot) == first);
  bench.pool->Lose(first);
  REQUIRE(bench.pool->Pick(slot) == second);
  bench.ledger->SetReachable(bench.pool->spec(second).link, false);
  REQUIRE(bench.pool->Pick(slot) == std::nullopt);
  REQUIRE(!bench.pool->AnyUsable(kLane));
  bench.pool->Restore(first);
  REQUIRE(bench.pool->Pick(slot) == first);
}

TEST_CASE("a pipeline emits a token a beat until the sequence is over") {
  DecodeBench bench({});
  const SlotIndex slot = bench.Admit(20, 3);
  REQUIRE(bench.Settle(slot));
  bench.pool->Enter(slot);
  bench.RunUntil(Microseconds(80) - Nanoseconds(1));
  REQUIRE(bench.emitter->tokens() == 0);
  bench.RunUntil(Microseconds(80));
  REQUIRE(bench.emitter->tokens() == 1);
  bench.RunUntil(Seconds(1));
  REQUIRE(bench.emitter->tokens() == 3);
  REQUIRE(bench.recorder.over == std::vector{slot});
  REQUIRE(bench.context->now() == Microseconds(240));
}

TEST_CASE("a beat whose value is not there makes its token due, and time goes no further") {
  DecodeBench bench({});
  const SlotIndex slot = bench.Admit(20, 3);
  REQUIRE(bench.Settle(slot));
  bench.cloud.source.withheld = 1;
  bench.pool->Enter(slot);
  bench.RunUntil(Seconds(1));
  REQUIRE(bench.context->now() == Microseconds(80));
  REQUIRE(bench.context->due.size() == 1);
  REQUIRE(std::get<DueTokens>(bench.context->due.front()).sequence.slot == slot);
}

TEST_CASE("a batch unit's step makes a token of each member due, then its next step") {
  DecodeBench bench({.units = 0, .gpus = 1});
  const SlotIndex a = bench.Admit(20), b = bench.Admit(20);
  REQUIRE(bench.Settle(a));
  REQUIRE(bench.Settle(b));
  bench.pool->Enter(a);  // a step of it alone starts
  bench.pool->Enter(b);
  bench.RunUntil(Seconds(1));
  REQUIRE(bench.context->due.size() == 2);
  REQUIRE(std::get<DueTokens>(bench.context->due[0]).sequence.slot == a);
  const UnitIndex unit = std::get<UnitIndex>(bench.context->due[1]);
  bench.context->due.clear();
  bench.pool->StartStep(unit);
  bench.RunUntil(Seconds(1));
  REQUIRE(bench.context->due.size() == 3);
}

}  // namespace
}  // namespace waferline::engine
