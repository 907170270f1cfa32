#include "scheduler/engine/handoff_ledger.h"

#include "tests/unit/scheduler/engine/parts_bench.h"

namespace waferline::engine {
namespace {

constexpr UnitIndex kUnit{0};

struct HandoffRecorder : HandoffLedger::Listener {
  void OnFlowArrived(SlotIndex) override { ++arrived; }
  void OnLeaseExpired(SlotIndex) override { ++expired; }
  int arrived = 0, expired = 0;
};

struct HandoffBench : PartsBench {
  HandoffBench() {
    cloud.lane.limits.heartbeat = Microseconds(10);
    cloud.lane.limits.lost_heartbeats = 3;
    Build();
    ledger = std::make_unique<HandoffLedger>(context.get(), &recorder);
    slot = Admit(100);
    context->sequences.hot(slot).unit = kUnit;
  }
  HandoffRecorder recorder;
  std::unique_ptr<HandoffLedger> ledger;
  SlotIndex slot;
};

TEST_CASE("each position moves once, whole or by layers") {
  HandoffBench bench;
  bench.ledger->Begin(bench.slot, 16);  // the unit has these
  REQUIRE(bench.ledger->IsComplete(bench.slot));
  bench.ledger->Move(bench.slot, 60);
  bench.ledger->Move(bench.slot, 60);
  REQUIRE(!bench.ledger->IsComplete(bench.slot));
  bench.ledger->MoveAllButLastLayer(bench.slot, 100, SmallCloud::kLayers);
  bench.ledger->MoveLastLayer(bench.slot, 100, SmallCloud::kLayers);
  bench.RunUntil(Seconds(1));
  REQUIRE(bench.recorder.arrived == 3);
  REQUIRE(bench.ledger->IsComplete(bench.slot));
  REQUIRE(bench.cloud.link->moved() == Bytes(84 * SmallCloud::kKvPerToken));
  REQUIRE(bench.recorder.expired == 0);
}

TEST_CASE("a link that stands still loses the lease and its units are not reachable") {
  HandoffBench bench;
  bench.cloud.link->SetSpeed(0);
  bench.ledger->Move(bench.slot, 100);
  bench.RunUntil(Microseconds(30) - Nanoseconds(1));
  REQUIRE(bench.recorder.expired == 0);
  REQUIRE(bench.ledger->reachable(kUnit));
  bench.RunUntil(Microseconds(30));
  REQUIRE(bench.recorder.expired == 1);
  REQUIRE(!bench.ledger->reachable(kUnit));
  REQUIRE(bench.context->dirty.any());
  bench.ledger->Stop(bench.slot);
  bench.RunUntil(Seconds(1));
  REQUIRE(bench.recorder.arrived == 0);
  REQUIRE(bench.recorder.expired == 1);
}

TEST_CASE("what stood still before a repair is not held against the link") {
  HandoffBench bench;
  bench.cloud.link->SetSpeed(0);
  bench.ledger->Move(bench.slot, 100);
  bench.RunUntil(Microseconds(29));
  bench.cloud.timeline.AdvanceTo(Microseconds(30) - Nanoseconds(1));
  bench.cloud.link->SetSpeed(1);
  bench.ledger->SetReachable(bench.cloud.link.get(), true);
  bench.RunUntil(Seconds(1));
  REQUIRE(bench.recorder.expired == 0);
  REQUIRE(bench.ledger->IsComplete(bench.slot));
}

TEST_CASE("flows of a sequence that has ended are stopped and their events ignored") {
  HandoffBench bench;
  bench.ledger->Move(bench.slot, 100);
  bench.ledger->Stop(bench.slot);
  bench.context->sequences.Outdate(bench.slot);
  bench.RunUntil(Seconds(1));
  REQUIRE(bench.recorder.arrived == 0);
  REQUIRE(bench.cloud.link->backlog() == Bytes());
}

}  // namespace
}  // namespace waferline::engine
