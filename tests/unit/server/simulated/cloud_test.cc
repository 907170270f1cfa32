// The simulated cloud itself: the same seed is the same run, each kind of fault happens, and a
// cloud that alters a token is found out. Many seeds are `waferctl selftest cloud`'s.
#include <catch2/catch.hpp>

#include "server/simulated/run.h"
#include "server/store/simulated/disk.h"
#include "wafer_backend/simulated/world.h"

namespace waferline::simulated {
namespace {

TEST_CASE("a run without faults completes every request, and says what they are") {
  const auto fixtures = MakeFixtures();
  REQUIRE(fixtures->texts.size() == kAsks);
  for (size_t ask = 0; ask < kAsks; ++ask) {
    REQUIRE(!fixtures->texts[ask].empty());
    REQUIRE(fixtures->texts[ask].size() <= AskNumber(ask).max_tokens);
  }
}

TEST_CASE("the same seed gives the same run, another seed another one") {
  const auto fixtures = MakeFixtures();
  const RunResult first = RunTwice({.seed = 5}, *fixtures);
  REQUIRE(first.failure == "");
  REQUIRE(first.digest != RunCloud({.seed = 6}, *fixtures).digest);
}

TEST_CASE("in some runs each kind of fault happens, and no law is broken") {
  const auto fixtures = MakeFixtures();
  Figures all;
  for (uint64_t seed = 100; seed < 140; ++seed) {
    const RunResult result = RunCloud({.seed = seed}, *fixtures);
    INFO("seed " << seed);
    REQUIRE(result.failure == "");
    all.Add(result.figures);
  }
  for (size_t kind = 0; kind < kFaultNames.size(); ++kind) {
    INFO(kFaultNames[kind]);
    REQUIRE(all.faults[kind] > 0);
  }
  REQUIRE(all.complete > 0);
  REQUIRE(all.recoveries > 0);
  REQUIRE(all.lost > 0);
}

// Also what was written by a commit that failed, is found by the one that repeats it, and is no
// longer to be written.
TEST_CASE("what was committed outlives a loss of power, whatever failed before") {
  constexpr int kTroubled = 4;  // attempts; then the disk is well
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world(seed);
    store::SimulatedDisk disk(&world, {});
    const Node node = world.AddNode("server");
    bool committed = false, lost = false;
    Process* const writer = world.StartProcess(node, [&](Process& process) {
      const auto store = *disk.OpenStore(&process, store::Durability::kPower);
      auto connection = *store->Connect();
      (void)connection->RunScript("CREATE TABLE law(id INTEGER PRIMARY KEY)");
      disk.trouble() = {.syncs_fail_until = Machine::kForever};
      for (int attempt = 0;; ++attempt) {
        if (attempt == kTroubled) disk.trouble() = {};
        if (connection == nullptr || !connection->alive()) {
          connection.reset();
          disk.OnDeath();  // the log's index is lost, so its frames are read again
          auto fresh = store->Connect();
          connection = fresh.ok() ? *std::move(fresh) : nullptr;
        }
        if (connection == nullptr || !connection->Begin().ok()) continue;
        const bool written = connection->Run("INSERT OR IGNORE INTO law VALUES(1)", {}).ok();
        committed = written && connection->Commit().ok();
        if (committed) break;
        connection->Rollback();
      }
      while (!lost) world.Wait(&lost, world.Now() + Milliseconds(1));
    });
    REQUIRE(world.Run(Machine::kForever, [&] { return committed; }));
    world.Kill(writer);
    disk.trouble() = {};
    disk.LosePower();
    lost = true;
    size_t found = 0;
    Process* const reader = world.StartProcess(node, [&](Process& process) {
      const auto store = disk.OpenStore(&process, store::Durability::kPower);
      found = (*(*store)->Connect())->Run("SELECT id FROM law", {})->rows.size();
    });
    REQUIRE(world.Run(Machine::kForever, [&] { return world.threads() == 0 && reader->over; }));
    INFO("seed " << seed);
    REQUIRE(found == 1);
  }
}

// Every state of the protocol between the processes, by the frame that leads into it.
TEST_CASE("a pause, one-way loss and a trickle at whichever frame cost a bounded time") {
  using link::FrameKind;
  using How = FrameFault::How;
  const auto fixtures = MakeFixtures();
  const auto frame =
      GENERATE(FrameKind::kHello, FrameKind::kShards, FrameKind::kJoin, FrameKind::kAskMemory,
               FrameKind::kMemory, FrameKind::kAnswer, FrameKind::kPrefill, FrameKind::kPrefilled,
               FrameKind::kOpen, FrameKind::kHandOff, FrameKind::kKv, FrameKind::kKvReceived,
               FrameKind::kHandedOff, FrameKind::kToken, FrameKind::kActivation, FrameKind::kLogits,
               FrameKind::kClose, FrameKind::kHeartbeat, FrameKind::kCancel, FrameKind::kAssign);
  const How how = GENERATE(How::kPauseReceiver, How::kPauseSender, How::kLostThere, How::kLostBack,
                           How::kTrickle);
  Figures all;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    INFO("frame " << static_cast<int>(frame) << ", how " << static_cast<int>(how) << ", seed "
                  << seed);
    RunOptions options{.seed = seed, .troubled = Seconds(3)};
    // Those who leave rarely do so while their prompt is computed.
    if (frame == FrameKind::kCancel) options.clients = 8;
    options.frame_fault = FrameFault{frame, how};
    const RunResult result = RunCloud(options, *fixtures);
    REQUIRE(result.failure == "");
    all.Add(result.figures);
  }
  INFO("frame " << static_cast<int>(frame) << ", how " << static_cast<int>(how));
  REQUIRE(all.frame_faults > 0);
  REQUIRE(all.complete > 0);
}

TEST_CASE("clients that leave at any frame are charged for what they got, and leave nothing") {
  using link::FrameKind;
  const auto fixtures = MakeFixtures();
  const auto frame =
      GENERATE(FrameKind::kPrefill, FrameKind::kPrefilled, FrameKind::kOpen, FrameKind::kAnswer,
               FrameKind::kHandOff, FrameKind::kKv, FrameKind::kKvReceived, FrameKind::kHandedOff,
               FrameKind::kToken, FrameKind::kActivation, FrameKind::kLogits, FrameKind::kClose);
  Figures all;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    INFO("frame " << static_cast<int>(frame) << ", seed " << seed);
    RunOptions options{.seed = seed, .clients = 4};
    options.frame_fault = {.frame = frame, .how = FrameFault::How::kClientsLeave};
    const RunResult result = RunCloud(options, *fixtures);
    REQUIRE(result.failure == "");
    all.Add(result.figures);
  }
  INFO("frame " << static_cast<int>(frame));
  REQUIRE(all.cancelled > 0);
  REQUIRE(all.complete > 0);
}

// Its rows cross again when it is computed again.
TEST_CASE("a worker that is lost while a request is alone breaks no law") {
  const auto fixtures = MakeFixtures();
  Figures all;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    RunOptions options{.seed = seed, .troubled = Milliseconds(300)};
    options.frame_fault = {.frame = link::FrameKind::kActivation, .alone = true};
    const RunResult result = RunCloud(options, *fixtures);
    INFO("seed " << seed);
    REQUIRE(result.failure == "");
    all.Add(result.figures);
  }
  REQUIRE(all.frame_faults > 0);
  REQUIRE(all.recoveries > 0);
}

TEST_CASE("a token that differs from the run without faults is found") {
  const auto fixtures = MakeFixtures();
  fixtures->texts[0].back() ^= 1;
  fixtures->texts[1].back() ^= 1;
  fixtures->texts[2].back() ^= 1;
  const RunResult result = RunCloud({.seed = 7}, *fixtures);
  REQUIRE(result.failure.find("law 4") != std::string::npos);
}

TEST_CASE("a token that comes at another instant than without faults is found") {
  const auto fixtures = MakeFixtures();
  for (auto& instants : fixtures->instants) instants.back() += Nanoseconds(1);
  const RunResult result = RunCloud({.seed = 7}, *fixtures);
  REQUIRE(result.failure.find("law 6") != std::string::npos);
}

}  // namespace
}  // namespace waferline::simulated
