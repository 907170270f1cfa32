// Lost values, lost and slower hardware. The laws are checked
// after every event (SmallCloud::Run).
#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::engine {
namespace {

TEST_CASE("a value that the source gives up ends the request with the source's reason") {
  for (const absl::Status& why :
       {absl::UnavailableError("workers are gone"), absl::DataLossError("it is broken")}) {
    SmallCloud cloud;
    cloud.Build();
    cloud.source.failure = why;
    const auto sink = cloud.Ask(20, 30);
    cloud.Run(Milliseconds(1));
    cloud.source.failing = true;
    cloud.Run();
    cloud.source.failing = false;
    REQUIRE(sink->outcome.reason == FinishReason::kFailed);
    REQUIRE(sink->outcome.status == why);
  }
}

TEST_CASE("a request goes on elsewhere when its device is lost") {
  for (const auto kind : {Fault::Kind::kWorkerLost, Fault::Kind::kUnitLost}) {
    for (const int64_t at_us : {30, 101, 105, 400}) {
      SmallCloud cloud({.workers = 2, .units = 2});
      cloud.Build();
      const auto sink = cloud.Ask(100, 20);
      cloud.Run(Microseconds(at_us));
      REQUIRE(cloud.engine->Apply({kind, {0}, {0}}).ok());
      cloud.engine->CheckLaws();
      cloud.Run();
      REQUIRE(sink->outcome.reason == FinishReason::kLength);
      REQUIRE(sink->instants.size() == 20);
    }
  }
}

TEST_CASE("without any device requests are refused, and those inside go on when it is back") {
  SmallCloud cloud;
  cloud.Build();
  const auto sink = cloud.Ask(20, 20);
  cloud.Run(Microseconds(300));
  REQUIRE(cloud.engine->Apply({Fault::Kind::kUnitLost, {0}, {0}}).ok());
  REQUIRE(cloud.Run() == Engine::Pause::kIdle);
  REQUIRE(!sink->ended);
  const auto refused = cloud.Ask(1, 1);
  REQUIRE(refused->refused);
  REQUIRE(refused->refusal.retry_after > Nanoseconds());
  REQUIRE(cloud.engine->Apply({Fault::Kind::kUnitBack, {0}, {0}}).ok());
  cloud.Run();
  REQUIRE(sink->outcome.reason == FinishReason::kLength);
  REQUIRE(!cloud.engine->Apply({Fault::Kind::kUnitLost, {0}, {7}}).ok());
  REQUIRE(!cloud.engine->Apply({Fault::Kind::kUnitLost, {3}, {0}}).ok());
  REQUIRE(!cloud.engine->Apply({Fault::Kind::kUnitSpeed, {0}, {0}, -1}).ok());
}

TEST_CASE("slower hardware takes as many times as long") {
  SmallCloud cloud;
  cloud.lane.kv_bytes_per_token = Bytes(1000);
  cloud.Build();
  REQUIRE(cloud.engine->Apply({Fault::Kind::kWorkerSpeed, {0}, {0}, 3}).ok());
  REQUIRE(cloud.engine->Apply({Fault::Kind::kUnitSpeed, {0}, {0}, 2}).ok());
  REQUIRE(cloud.engine->Apply({Fault::Kind::kLinkSpeed, {0}, {0}, 0.5}).ok());
  const auto sink = cloud.Ask(50, 2);
  cloud.Run();
  REQUIRE(sink->outcome.times.prefill == Microseconds(150));
  REQUIRE(sink->outcome.times.transfer == Microseconds(100));
  REQUIRE(sink->outcome.times.decode == Microseconds(160));
}

}  // namespace
}  // namespace waferline::engine
