// Readers that are full, and emulated time that waits for them. The laws are checked
// after every event (SmallCloud::Run).
#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {
namespace {

TEST_CASE("a full reader gets no further beat until it resumes, and is ended after its grace") {
  for (const bool gpu : {false, true}) {
    SmallCloud cloud({.units = gpu ? 0 : 1, .gpus = gpu ? 1 : 0});
    cloud.lane.limits.reader_grace = Milliseconds(50);
    cloud.Build();
    const auto other = cloud.Ask(10, 300);
    const auto sink = cloud.Ask(10, 50);
    const Ticket ticket = cloud.last;
    sink->answer_at = 5;
    sink->answer = TokenSink::Verdict::kFull;
    cloud.Run(Milliseconds(20));
    REQUIRE(sink->instants.size() == 5);
    REQUIRE(cloud.engine->Snapshot().lanes[0].parked == 1);
    cloud.engine->Resume(ticket);
    cloud.Run();
    REQUIRE(sink->outcome.reason == FinishReason::kLength);
    REQUIRE(other->outcome.reason == FinishReason::kLength);

    const auto lost = cloud.Ask(10, 50);
    lost->answer_at = 1;
    lost->answer = TokenSink::Verdict::kFull;
    const Nanoseconds before = cloud.timeline.now();
    cloud.Run();
    REQUIRE(lost->outcome.reason == FinishReason::kFailed);
    REQUIRE(absl::IsResourceExhausted(lost->outcome.status));
    REQUIRE(cloud.timeline.now() >= before + Milliseconds(50));
  }
}

TEST_CASE("time can be held for a full reader") {
  SmallCloud cloud;
  cloud.Build({.max_sequences = 8, .hold_time_for_readers = true});
  const auto sink = cloud.Ask(10, 50);
  sink->answer_at = 5;
  sink->answer = TokenSink::Verdict::kFull;
  REQUIRE(cloud.Run() == Engine::Pause::kBlocked);
  REQUIRE(sink->instants.size() == 5);
  const Nanoseconds held_at = cloud.timeline.now();
  REQUIRE(cloud.Run() == Engine::Pause::kBlocked);
  REQUIRE(cloud.timeline.now() == held_at);
  cloud.engine->Resume(cloud.last);
  REQUIRE(cloud.Run() == Engine::Pause::kIdle);
  REQUIRE(sink->instants.size() == 50);
  const auto lost = cloud.Ask(10, 50);
  lost->answer_at = 2;
  lost->answer = TokenSink::Verdict::kFull;
  REQUIRE(cloud.Run() == Engine::Pause::kBlocked);
  cloud.engine->GiveUpOnReaders();
  REQUIRE(cloud.Run() == Engine::Pause::kIdle);
  REQUIRE(lost->outcome.reason == FinishReason::kFailed);
}

}  // namespace
}  // namespace waferline::engine
