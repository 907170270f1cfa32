#include "scheduler/engine/sequence_table.h"

#include "tests/unit/scheduler/engine/parts_bench.h"

namespace waferline::engine {
namespace {

TEST_CASE("a slot is found by its ticket until it is free, and then reused") {
  SequenceTable table(2, 1);
  const SlotIndex a = table.Occupy(kLane, Ticket{7}, {});
  const SlotIndex b = table.Occupy(kLane, Ticket{8}, {});
  REQUIRE(a != b);
  REQUIRE(table.full());
  REQUIRE(table.Find(Ticket{7}) == a);
  REQUIRE(table.InfoOf(b).ticket == Ticket{8});
  table.Free(a);
  REQUIRE(!table.full());
  REQUIRE(table.Find(Ticket{7}) == std::nullopt);
  REQUIRE(table.Occupy(kLane, Ticket{9}, {}) == a);
  REQUIRE(table.occupied() == 2);
}

TEST_CASE("a reference is stale after a restart and after the end, a life only after the end") {
  SequenceTable table(1, 1);
  const SlotIndex slot = table.Occupy(kLane, Ticket{1}, {});
  const SequenceRef first = table.RefOf(slot);
  const uint32_t life = table[slot].life;
  REQUIRE(table.IsCurrent(first));
  table.Outdate(slot);
  REQUIRE(!table.IsCurrent(first));
  REQUIRE(table[slot].life == life);
  const SequenceRef second = table.RefOf(slot);
  table.Free(slot);
  REQUIRE(!table.IsCurrent(second));
  REQUIRE(table[slot].life != life);
}

TEST_CASE("phases are counted and add up to the time inside") {
  SequenceTable table(2, 1);
  const SlotIndex slot = table.Occupy(kLane, Ticket{1}, {});
  table[slot].stage = Admitted();
  table.EnterFirstPhase(slot, Nanoseconds(10));
  REQUIRE(table.in_phase(kLane, Phase::kQueue) == 1);
  const auto change = table.ChangePhase(slot, Phase::kPrefill, Nanoseconds(25));
  REQUIRE(change.from == Phase::kQueue);
  REQUIRE(change.lasted == Nanoseconds(15));
  REQUIRE(table.in_phase(kLane, Phase::kQueue) == 0);
  REQUIRE(table.in_phase(kLane, Phase::kPrefill) == 1);
  table.CheckLaws();
  table.LeaveLastPhase(slot, Nanoseconds(30));
  REQUIRE(table[slot].spent_in(Phase::kQueue) == Nanoseconds(15));
  REQUIRE(table[slot].spent_in(Phase::kPrefill) == Nanoseconds(5));
  table.Free(slot);
  table.CheckLaws();
}

TEST_CASE("a dirty lane is taken once, in rising order, and one marked meanwhile again") {
  DirtyLanes dirty(3);
  dirty.Mark(LaneIndex{2});
  dirty.Mark(LaneIndex{0});
  std::vector<uint32_t> taken;
  const auto take = [&](LaneIndex lane) {
    taken.push_back(lane.value);
    if (lane == LaneIndex{2} && taken.size() == 2) dirty.Mark(LaneIndex{0});
  };
  dirty.TakeEach(take);
  REQUIRE(taken == std::vector<uint32_t>{0, 2});
  REQUIRE(dirty.any());
  dirty.TakeEach(take);
  REQUIRE(taken == std::vector<uint32_t>{0, 2, 0});
  REQUIRE(!dirty.any());
}

TEST_CASE("a digest tells a worker from a unit of the same number, and one instant from another") {
  Timeline timeline;
  const auto digest_of = [&](DecisionLog::Device device) {
    DecisionLog log(&timeline);
    log.RecordStart(1, device);
    return log.digest();
  };
  const uint64_t on_worker = digest_of(WorkerIndex{3});
  REQUIRE(on_worker != digest_of(UnitIndex{3}));
  REQUIRE(on_worker == digest_of(WorkerIndex{3}));
  timeline.AdvanceTo(Nanoseconds(1));
  REQUIRE(on_worker != digest_of(WorkerIndex{3}));
}

}  // namespace
}  // namespace waferline::engine
