// Which requests are let in, and what the others are told. The laws are checked
// after every event (SmallCloud::Run).
#include "absl/strings/str_cat.h"
#include "tests/unit/scheduler/engine/small_cloud.h"
#include "wafer_backend/base/number_text.h"

namespace waferline::engine {
namespace {

TEST_CASE("a class's queue is bounded, and the refusal says when to come back") {
  SmallCloud cloud({.max_running = 1});
  cloud.lane.admission.max_waiting = {2, 3, 1};
  cloud.Build();
  std::vector<std::shared_ptr<TestSink>> sinks;
  for (int i = 0; i < 8; ++i) sinks.push_back(cloud.Ask(10, 20));
  // All arrive at one instant, before anything is dispatched.
  REQUIRE(sinks[2]->admitted);
  REQUIRE(sinks[3]->refused);
  REQUIRE(absl::IsUnavailable(sinks[3]->refusal.status));
  REQUIRE(sinks[3]->refusal.retry_after > Nanoseconds());
  ValidRequest flex;
  flex.tier = ServiceTier::kFlex;
  REQUIRE(cloud.Ask(10, 20, flex)->admitted);
  REQUIRE(cloud.Ask(10, 20, flex)->refused);
  cloud.Run();
  REQUIRE(cloud.source.max_alive == 1);
  REQUIRE(cloud.engine->Snapshot().refused == 6);
}

TEST_CASE("what never fits is refused at once, what fits later waits") {
  SmallCloud cloud({.pages = 4});
  cloud.Build();
  const absl::Status refused = cloud.Ask(33, 32)->refusal.status;
  REQUIRE(absl::IsInvalidArgument(refused));
  REQUIRE(refused.message().find("max_tokens (32)") != absl::string_view::npos);
  const auto a = cloud.Ask(32, 32);
  const auto b = cloud.Ask(32, 32);
  cloud.Run();
  REQUIRE(b->outcome.times.queue >= a->outcome.times.total() - Nanoseconds(1));
  REQUIRE(cloud.source.max_alive == 1);
}

TEST_CASE("the slots are bounded") {
  SmallCloud cloud;
  cloud.Build({.max_sequences = 3});
  for (int i = 0; i < 3; ++i) REQUIRE(cloud.Ask(1, 1)->admitted);
  REQUIRE(cloud.Ask(1, 1)->refused);
  cloud.Run();
  REQUIRE(cloud.Ask(1, 1)->admitted);
}

TEST_CASE("an unknown model is not found") {
  SmallCloud cloud;
  cloud.Build();
  auto sink = std::make_shared<TestSink>(std::vector<TokenId>{1});
  ValidRequest request;
  request.model = "other";
  request.sink = sink;
  cloud.engine->Submit(Ticket{99}, request);
  REQUIRE(absl::IsNotFound(sink->refusal.status));
}

TEST_CASE("a deadline ends a request wherever it is") {
  SmallCloud cloud;
  cloud.lane.admission.refuse_missed_deadlines = false;
  cloud.Build();
  for (const int64_t us : {5, 25, 300}) {
    ValidRequest request;
    request.deadline = Microseconds(us);
    const auto sink = cloud.Ask(20, 100, request);
    cloud.Run();
    REQUIRE(sink->outcome.reason == FinishReason::kDeadline);
    REQUIRE(sink->outcome.times.total() == Microseconds(us));
    REQUIRE(sink->outcome.status.message() ==
            absl::StrCat("its deadline, ", NumberText(static_cast<double>(us) / 1e3),
                         " ms of emulated time after it arrived, has passed"));
  }
  cloud.lane.admission.refuse_missed_deadlines = true;
  cloud.engine.reset();
  cloud.Build();
  ValidRequest hopeless;
  hopeless.deadline = Microseconds(5);
  const auto refused = cloud.Ask(20, 100, hopeless);
  REQUIRE(refused->refused);
  REQUIRE(absl::IsDeadlineExceeded(refused->refusal.status));
  REQUIRE(refused->refusal.status.message() ==
          "expected to miss its deadline, 0.005 ms of emulated time after it arrives");
  REQUIRE(refused->refusal.retry_after == Nanoseconds());
}

TEST_CASE("draining refuses every new request and finishes the rest") {
  SmallCloud cloud;
  cloud.Build();
  const auto sink = cloud.Ask(20, 20);
  cloud.engine->Drain();
  REQUIRE(cloud.Ask(1, 1)->refused);
  cloud.Run();
  REQUIRE(sink->outcome.reason == FinishReason::kLength);
  const auto ended = cloud.Ask(1, 1);
  REQUIRE(ended->refused);
}

TEST_CASE("overload is stable: the queue stays bounded and the rest goes on") {
  SmallCloud cloud({.max_running = 4});
  cloud.lane.admission.max_waiting = {4, 8, 4};
  cloud.Build({.max_sequences = 32});
  uint64_t refused = 0;
  for (int i = 0; i < 500; ++i) {
    refused += cloud.Ask(30, 30)->refused;
    cloud.Run(cloud.timeline.now() + Microseconds(100));
    REQUIRE(cloud.engine->Snapshot().lanes[0].waiting_total() <= 8);
  }
  REQUIRE(refused > 100);
  cloud.Run();
  const EngineSnapshot end = cloud.engine->Snapshot();
  REQUIRE(end.finished + refused == 500);
}

TEST_CASE("a lane that cannot work is refused by name") {
  SmallCloud cloud;
  cloud.lane.units[0].memory[2].kv_per_page = Bytes(1 << 30);
  auto made = Engine::Create({}, &cloud.timeline, {cloud.lane}, {});
  REQUIRE(!made.ok());
  REQUIRE(std::string(made.status().message()).find("unit \"u0\": stage 2") != std::string::npos);
}

}  // namespace
}  // namespace waferline::engine
