// The stepped clock: arrivals that clients time themselves, and full readers.
#include <algorithm>
#include <string>
#include <thread>

#include "tests/unit/server/runtime/live_cloud.h"

namespace waferline::runtime {
namespace {

// Requests k = 0 .. 19, two at each of ten instants, and the digest that the engine makes of them.
ValidRequest TracedRequest(LiveCloud& cloud, std::shared_ptr<RecordingSink> sink, uint32_t k) {
  ValidRequest request = cloud.Request(std::move(sink), 10 + k, 30 + k);
  request.own_arrival = OwnArrival{.number = k, .at = Microseconds(500) * (k / 2), .last = k == 19};
  return request;
}
uint64_t OfflineDigest() {
  LiveCloud offline;
  struct Client : EventTarget {
    void OnEvent(uint64_t k) override {
      cloud->cloud.engine->Submit(Ticket{k + 1},
                                  TracedRequest(*cloud, nullptr, static_cast<uint32_t>(k)));
    }
    LiveCloud* cloud;
  } client;
  client.cloud = &offline;
  for (uint64_t k = 0; k < 20; ++k) {
    offline.cloud.timeline.Schedule(Microseconds(500) * (k / 2), Priority::kArrival, &client, k);
  }
  REQUIRE(offline.cloud.engine->RunUntil(Seconds(1000)) == engine::Engine::Pause::kIdle);
  return offline.cloud.engine->digest();
}

TEST_CASE("a trace makes one schedule, however late and in whatever order its requests come") {
  const uint64_t digest = OfflineDigest();
  EngineThreadOptions options;
  options.clock.kind = ClockKind::kStepped;
  enum class Order { kForward, kBackward, kSlow, kShuffled };
  for (const Order order : {Order::kForward, Order::kBackward, Order::kSlow, Order::kShuffled}) {
    LiveCloud live(options);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    live.Start();
    for (uint32_t i = 0; i < 20; ++i) {
      const uint32_t k = order == Order::kBackward   ? 19 - i
                         : order == Order::kShuffled ? (i * 7 + 3) % 20
                                                     : i;
      if (order == Order::kSlow) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      sinks.push_back(std::make_shared<RecordingSink>());
      REQUIRE(live.thread->Submit(TracedRequest(live, sinks.back(), k)).ok());
    }
    for (const auto& sink : sinks) sink->Await();
    const engine::EngineSnapshot end = live.thread->Snapshot();
    REQUIRE(end.tokens == 20 * 30 + 190);
    REQUIRE(end.digest == digest);
  }
}

TEST_CASE("emulated time waits for a missing number, and gives its trace up after the grace") {
  EngineThreadOptions options;
  options.clock.kind = ClockKind::kStepped;
  options.clock.arrival_grace = Milliseconds(150);
  LiveCloud live(options);
  live.Start();
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  const auto send = [&](uint32_t k) {
    sinks.push_back(std::make_shared<RecordingSink>());
    REQUIRE(live.thread->Submit(TracedRequest(live, sinks.back(), k)).ok());
  };
  send(0);
  send(3);
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  // Number 0 is in, and time stands at its arrival: 1 could come at the same instant.
  const engine::EngineSnapshot held = live.thread->Snapshot();
  REQUIRE(held.accepted == 1);
  REQUIRE(held.now == Nanoseconds());
  for (const auto& sink : sinks) sink->Await();
  REQUIRE(sinks[0]->outcome.reason == FinishReason::kLength);
  REQUIRE(absl::IsFailedPrecondition(sinks[1]->status));
  REQUIRE(std::string(sinks[1]->status.message()).find("1 did not come") != std::string::npos);
  // The next trace begins where time stands.
  const Nanoseconds before = live.thread->Snapshot().now;
  auto sink = std::make_shared<RecordingSink>();
  ValidRequest request = live.Request(sink, 10, 1);
  request.own_arrival = OwnArrival{.at = Seconds(1), .last = true};
  REQUIRE(live.thread->Submit(std::move(request)).ok());
  sink->Await();
  REQUIRE(sink->outcome.reason == FinishReason::kLength);
  REQUIRE(live.thread->Snapshot().now >= before + Seconds(1));
}

TEST_CASE("what breaks a trace's order is refused, and the others go on") {
  EngineThreadOptions options;
  options.clock.kind = ClockKind::kStepped;
  options.mailbox_capacity = 8;
  LiveCloud live(options);
  live.Start();
  const auto send = [&](uint64_t number, Nanoseconds at, bool last = false) {
    auto sink = std::make_shared<RecordingSink>();
    ValidRequest request = live.Request(sink, 10, 5);
    request.own_arrival = OwnArrival{.number = number, .at = at, .last = last};
    REQUIRE(live.thread->Submit(std::move(request)).ok());
    live.thread->Snapshot();  // it has been taken
    return sink;
  };
  const auto refused = [](const std::shared_ptr<RecordingSink>& sink, const char* why) {
    sink->Await();
    INFO(sink->status.message());
    REQUIRE(std::string(sink->status.message()).find(why) != std::string::npos);
  };
  const auto zero = send(0, Milliseconds(3));
  refused(send(0, Milliseconds(3)), "0 has come before");
  const auto two = send(2, Milliseconds(4));
  refused(send(2, Milliseconds(4)), "2 has come before");
  refused(send(1, Milliseconds(4), /*last=*/true), "cannot be the last");
  refused(send(1, Milliseconds(2)), "1 arrives 1000000 ns before");
  const auto await_accepted = [&](uint64_t count) {
    while (live.thread->Snapshot().accepted < count) std::this_thread::yield();
  };
  await_accepted(2);
  // Bounded: this many ahead of a missing one.
  std::vector<std::shared_ptr<RecordingSink>> ahead;
  for (uint64_t number = 4; number < 12; ++number) ahead.push_back(send(number, Milliseconds(5)));
  const auto full = send(12, Milliseconds(5));
  refused(full, "ahead of their instants");
  REQUIRE(absl::IsUnavailable(full->status));
  ahead.push_back(send(3, Milliseconds(5)));
  await_accepted(11);
  ahead.push_back(send(12, Milliseconds(6), /*last=*/true));
  for (const auto& sink : ahead) {
    sink->Await();
    REQUIRE(sink->outcome.generated_tokens == 5);
  }
  zero->Await();
  two->Await();
  const auto end = send(1, Milliseconds(1), /*last=*/true);
  refused(send(2, Milliseconds(1)), "2 lies behind 1");
  send(0, Milliseconds(1))->Await();
  end->Await();
  REQUIRE(end->outcome.generated_tokens == 5);
}

TEST_CASE("a request that is cancelled before its arrival never arrives, and holds up no other") {
  EngineThreadOptions options;
  options.clock.kind = ClockKind::kStepped;
  LiveCloud live(options);
  live.Start();
  auto gone = std::make_shared<RecordingSink>(), other = std::make_shared<RecordingSink>();
  ValidRequest one = live.Request(gone, 10, 5);
  one.own_arrival = OwnArrival{.number = 1, .at = Seconds(1)};
  const auto ticket = live.thread->Submit(std::move(one));
  REQUIRE(ticket.ok());
  live.thread->Cancel(*ticket);
  gone->Await();
  REQUIRE(absl::IsCancelled(gone->status));
  ValidRequest two = live.Request(other, 10, 5);
  two.own_arrival = OwnArrival{.number = 2, .at = Seconds(2), .last = true};
  REQUIRE(live.thread->Submit(std::move(two)).ok());
  auto first = std::make_shared<RecordingSink>();
  ValidRequest zero = live.Request(first, 10, 5);
  zero.own_arrival = OwnArrival{};
  REQUIRE(live.thread->Submit(std::move(zero)).ok());
  first->Await();
  other->Await();
  REQUIRE(other->outcome.generated_tokens == 5);
  REQUIRE(live.thread->Snapshot().accepted == 2);
}

TEST_CASE("a request that its front end refused counts as arrived") {
  EngineThreadOptions options;
  options.clock.kind = ClockKind::kStepped;
  LiveCloud live(options);
  live.Start();
  auto sink = std::make_shared<RecordingSink>();
  ValidRequest one = live.Request(sink, 10, 5);
  one.own_arrival = OwnArrival{.number = 1, .at = Seconds(1)};
  REQUIRE(live.thread->Submit(std::move(one)).ok());
  live.thread->Skip(OwnArrival{.number = 0, .at = Milliseconds(1)});
  // The last of a trace may be refused as well: time goes on past it, and the next trace begins.
  live.thread->Skip(OwnArrival{.number = 2, .at = Seconds(1), .last = true});
  sink->Await();
  REQUIRE(sink->outcome.generated_tokens == 5);
  // Until the skipped one's instant has passed it is refused, to be sent again.
  std::shared_ptr<RecordingSink> next;
  do {
    next = std::make_shared<RecordingSink>();
    ValidRequest zero = live.Request(next, 10, 5);
    zero.own_arrival = OwnArrival{.last = true};
    REQUIRE(live.thread->Submit(std::move(zero)).ok());
    next->Await();
  } while (absl::IsUnavailable(next->status));
  INFO(next->status.message());
  REQUIRE(next->outcome.generated_tokens == 5);
  REQUIRE(live.thread->Snapshot().accepted == 2);
}

TEST_CASE("an own arrival has no effect on the real clock, and is refused") {
  LiveCloud live;
  live.Start();
  ValidRequest request = live.Request(std::make_shared<RecordingSink>(), 10, 5);
  request.own_arrival = OwnArrival{};
  REQUIRE(absl::IsInvalidArgument(live.thread->Submit(std::move(request)).status()));
}

TEST_CASE("in stepped time a full reader holds the time until it resumes") {
  EngineThreadOptions options;
  options.clock.kind = ClockKind::kStepped;
  LiveCloud live(options);
  live.Start();
  auto slow = std::make_shared<RecordingSink>();
  slow->full_at = 5;
  const auto ticket = live.thread->Submit(live.Request(slow, 10, 20));
  REQUIRE(ticket.ok());
  engine::EngineSnapshot held;
  do {
    held = live.thread->Snapshot();
  } while (held.tokens < 5);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  REQUIRE(live.thread->Snapshot().now == held.now);
  live.thread->Resume(*ticket);
  slow->Await();
  REQUIRE(slow->since.size() == 20);
}

TEST_CASE("a reader that never comes back is given up on the wall clock") {
  EngineThreadOptions options;
  options.clock.kind = ClockKind::kStepped;
  options.clock.reader_grace = Milliseconds(80);
  LiveCloud live(options);
  live.Start();
  auto slow = std::make_shared<RecordingSink>();
  slow->full_at = 5;
  REQUIRE(live.thread->Submit(live.Request(slow, 10, 20)).ok());
  slow->Await();
  REQUIRE(slow->outcome.reason == FinishReason::kFailed);
}

}  // namespace
}  // namespace waferline::runtime
