// Hand-offs over links that stand still, die, come back or are slow: leases, heartbeats, and where
// the requests go. The laws are checked after every event (SmallCloud::Run).
#include "tests/unit/scheduler/engine/churn.h"

namespace waferline::engine {
namespace {

// Counts what an operator would see.
struct Restarts : EngineObserver {
  void OnRestart(const SequenceInfo&, RestartCause cause) override {
    ++of[static_cast<int>(cause)];
  }
  std::array<int, kRestartCauses> of{};
  int leases() const { return of[static_cast<int>(RestartCause::kLeaseExpired)]; }
};

TEST_CASE("a hand-off that stands still loses its room on every stage, and goes on after repair") {
  for (const Overlap overlap : {Overlap::kNone, Overlap::kChunk, Overlap::kLayer}) {
    SmallCloud cloud;
    cloud.lane.limits.heartbeat = Microseconds(10);
    cloud.lane.limits.lost_heartbeats = 3;
    cloud.lane.kv_bytes_per_token = Bytes(1000);
    cloud.lane.overlap = overlap;
    Restarts restarts;
    cloud.Build({.max_sequences = 8}, {&restarts});
    const auto sink = cloud.Ask(50, 5);
    // The prompt takes 50 us, its KV as long on the link; that dies under it.
    cloud.Run(Microseconds(55));
    REQUIRE(cloud.engine->Apply({Fault::Kind::kLinkSpeed, {0}, {0}, 0}).ok());
    cloud.Run(Microseconds(75));
    REQUIRE(cloud.engine->Snapshot().lanes[0].units[0].pages_used > 0);
    REQUIRE(cloud.Run() == Engine::Pause::kIdle);
    REQUIRE(cloud.engine->Snapshot().last_decision <= Microseconds(100));
    const EngineSnapshot still = cloud.engine->Snapshot();
    REQUIRE(still.lanes[0].waiting_total() == 1);
    REQUIRE(still.lanes[0].units[0].pages_used == 0);
    REQUIRE(!still.lanes[0].units[0].reachable);
    for (const StageOccupancy& stage : still.lanes[0].units[0].stages) {
      REQUIRE(stage.kv_used == Bytes());
    }
    REQUIRE(cloud.Ask(1, 1)->refused);  // while no unit can be reached
    REQUIRE(restarts.leases() == 1);
    REQUIRE(cloud.engine->Apply({Fault::Kind::kLinkSpeed, {0}, {0}, 1}).ok());
    cloud.Run();
    REQUIRE(sink->outcome.reason == FinishReason::kLength);
    REQUIRE(sink->instants.size() == 5);
    REQUIRE(restarts.leases() == 1);
  }
}

TEST_CASE("a lease ends at the last of its lost heartbeats, not before") {
  SmallCloud cloud;
  cloud.lane.limits.heartbeat = Microseconds(10);
  cloud.lane.limits.lost_heartbeats = 4;
  Restarts restarts;
  cloud.Build({.max_sequences = 8}, {&restarts});
  REQUIRE(cloud.engine->Apply({Fault::Kind::kLinkSpeed, {0}, {0}, 0}).ok());
  const auto sink = cloud.Ask(20, 5);
  cloud.Run(Microseconds(20 + 40) - Nanoseconds(1));
  REQUIRE(restarts.leases() == 0);
  cloud.Run(Microseconds(20 + 40));
  REQUIRE(restarts.leases() == 1);
}

TEST_CASE("a link repaired as a heartbeat is due is not taken away by it") {
  SmallCloud cloud;
  cloud.lane.limits.heartbeat = Microseconds(10);
  cloud.lane.limits.lost_heartbeats = 1;
  Restarts restarts;
  cloud.Build({.max_sequences = 8}, {&restarts});
  REQUIRE(cloud.engine->Apply({Fault::Kind::kLinkSpeed, {0}, {0}, 0}).ok());
  const auto sink = cloud.Ask(20, 5);
  // Prefilled at 20 us; the first heartbeat is due at 30.
  cloud.Run(Microseconds(30) - Nanoseconds(1));
  cloud.timeline.AdvanceTo(Microseconds(30));
  REQUIRE(cloud.engine->Apply({Fault::Kind::kLinkSpeed, {0}, {0}, 1}).ok());
  cloud.Run();
  REQUIRE(restarts.leases() == 0);
  REQUIRE(sink->instants.size() == 5);
}

TEST_CASE(
    "a request whose link dies goes on at another unit, and no other is sent to the dead one") {
  SmallCloud cloud({.units = 2, .own_links = true});
  cloud.lane.limits.heartbeat = Microseconds(10);
  cloud.lane.kv_bytes_per_token = Bytes(1000);
  Restarts restarts;
  cloud.Build({.max_sequences = 32}, {&restarts});
  const auto resident = cloud.Ask(10, 100);
  cloud.Run(Microseconds(100));
  REQUIRE(cloud.engine->Snapshot().lanes[0].units[0].running == 1);
  // Less filled than the first: the next two go to the second unit, and its link dies.
  const auto a = cloud.Ask(50, 20);
  cloud.Run(Microseconds(160));
  REQUIRE(cloud.engine->Snapshot().lanes[0].units[1].running == 1);
  REQUIRE(cloud.engine->Apply({Fault::Kind::kLinkSpeed, {0}, {1}, 0}).ok());
  cloud.Run(Milliseconds(1));
  REQUIRE(restarts.leases() == 1);
  std::vector<std::shared_ptr<TestSink>> later;
  for (int i = 0; i < 5; ++i) later.push_back(cloud.Ask(20, 20));
  cloud.Run(Milliseconds(2));
  REQUIRE(cloud.engine->Snapshot().lanes[0].units[1].running == 0);
  cloud.Run();
  for (const auto& sink : later) REQUIRE(sink->instants.size() == 20);
  REQUIRE(a->instants.size() == 20);
  REQUIRE(resident->instants.size() == 100);
  REQUIRE(restarts.leases() == 1);
  // Repaired, it serves again.
  REQUIRE(cloud.engine->Apply({Fault::Kind::kLinkSpeed, {0}, {1}, 1}).ok());
  const auto first = cloud.Ask(20, 20), second = cloud.Ask(20, 20);
  cloud.Run(cloud.timeline.now() + Microseconds(100));
  REQUIRE(cloud.engine->Snapshot().lanes[0].units[1].running == 1);
  cloud.Run();
  REQUIRE(second->instants.size() == 20);
}

TEST_CASE("a slow link is not a dead one") {
  SmallCloud cloud({.link_latency = Milliseconds(5)});
  cloud.lane.limits.heartbeat = Microseconds(10);
  cloud.lane.limits.lost_heartbeats = 1;
  Restarts restarts;
  cloud.Build({.max_sequences = 8}, {&restarts});
  REQUIRE(cloud.engine->Apply({Fault::Kind::kLinkSpeed, {0}, {0}, 0.01}).ok());
  std::vector<std::shared_ptr<TestSink>> sinks;
  for (int i = 0; i < 4; ++i) sinks.push_back(cloud.Ask(50, 5));
  cloud.Run();
  for (const auto& sink : sinks) REQUIRE(sink->outcome.times.transfer > Milliseconds(5));
  REQUIRE(restarts.leases() == 0);
}

}  // namespace
}  // namespace waferline::engine
