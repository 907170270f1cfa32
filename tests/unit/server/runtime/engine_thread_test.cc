// The real clock, and how the thread takes and ends what other threads send.
#include <chrono>
#include <thread>

#include "tests/unit/server/runtime/live_cloud.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::runtime {
namespace {

TEST_CASE("with the real clock no token leaves before its instant, and lateness is measured") {
  LiveCloud live;
  live.Start();
  auto sink = std::make_shared<RecordingSink>();
  const int64_t before_ns = WallNanoseconds();
  REQUIRE(live.thread->Submit(live.Request(sink, 100, 200)).ok());
  sink->Await();
  REQUIRE(sink->outcome.reason == FinishReason::kLength);
  REQUIRE(sink->since.size() == 200);
  for (size_t i = 0; i < sink->since.size(); ++i) {
    REQUIRE(sink->wall_ns[i] - before_ns >= sink->since[i].count());
  }
  live.thread->Stop();
  REQUIRE(live.lateness.tokens == 200);
  REQUIRE(live.lateness.worst < Seconds(10));
  REQUIRE(live.thread->Submit({}).status().code() == absl::StatusCode::kUnavailable);
}

TEST_CASE("scaled time is as much slower") {
  EngineThreadOptions options;
  options.clock.scale = 0.1;
  LiveCloud live(options);
  live.Start();
  auto sink = std::make_shared<RecordingSink>();
  const int64_t before_ns = WallNanoseconds();
  REQUIRE(live.thread->Submit(live.Request(sink, 10, 50)).ok());
  sink->Await();
  REQUIRE(sink->wall_ns.back() - before_ns >= sink->since.back().count() * 10);
}

TEST_CASE("waiting for a value stops emulated time, shows as lateness and does not pile up") {
  LiveCloud live;
  live.Start();
  live.source.given = 0;
  auto sink = std::make_shared<RecordingSink>();
  REQUIRE(live.thread->Submit(live.Request(sink, 10, 20)).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  live.source.given = GatedSource::kAll;
  live.thread->Wake();
  sink->Await();
  live.thread->Stop();
  REQUIRE(live.lateness.blocked >= Milliseconds(90));
  REQUIRE(live.lateness.worst >= Milliseconds(90));
  // The emulated times know nothing of it.
  REQUIRE(sink->outcome.times.total() < Milliseconds(3));
  // After the wait the tokens keep their distance on the wall instead of rushing out.
  const int64_t span_ns = sink->wall_ns.back() - sink->wall_ns.front();
  REQUIRE(span_ns >= (sink->since.back() - sink->since.front()).count());
}

TEST_CASE("values that come faster than once in two milliseconds are taken together") {
  LiveCloud live({.clock = {.scale = 1e6}});
  live.source.given = 0;
  live.Start();
  auto sink = std::make_shared<RecordingSink>();
  const int64_t begin_ns = WallNanoseconds();
  REQUIRE(live.thread->Submit(live.Request(sink, 10, 300)).ok());
  for (int i = 0; i < 300; ++i) {
    ++live.source.given;
    live.thread->Wake();
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  sink->Await();
  const int64_t lasted_ms = (WallNanoseconds() - begin_ns) / 1'000'000;
  live.thread->Stop();
  REQUIRE(sink->since.size() == 300);
  REQUIRE(live.lateness.stops <= static_cast<uint64_t>(lasted_ms) / 2 + 2);
}

TEST_CASE("when emulated time has ended, requests are refused with the reason") {
  LiveCloud live({.clock = {.scale = 1e12}});  // 9.2 ms of the wall
  live.Start();
  absl::Status last;
  while (last.ok()) {
    auto sink = std::make_shared<RecordingSink>();
    REQUIRE(live.thread->Submit(live.Request(sink, 10, 2)).ok());
    sink->Await();
    last = sink->status;
  }
  CHECK(last.message() ==
        "emulated time has ended: 292 years of it have passed, at clock.scale 1e+12; start the "
        "server again");
}

TEST_CASE("cancels from other threads reach every stage, and stopping answers everyone") {
  for (const bool stepped : {false, true}) {
    EngineThreadOptions options;
    options.clock.kind = stepped ? ClockKind::kStepped : ClockKind::kReal;
    options.drain_bound = Milliseconds(200);
    LiveCloud live(options);
    live.Start();
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    Mutex mutex;
    std::vector<std::thread> clients;
    for (int c = 0; c < 3; ++c) {
      clients.emplace_back([&, c] {
        SeededStream random(c);
        for (int i = 0; i < 100; ++i) {
          auto sink = std::make_shared<RecordingSink>();
          const auto ticket =
              live.thread->Submit(live.Request(sink, 1 + static_cast<uint32_t>(random.Next() % 200),
                                               1 + static_cast<uint32_t>(random.Next() % 500)));
          if (!ticket.ok()) continue;
          {
            MutexLock lock(&mutex);
            sinks.push_back(sink);
          }
          if (random.Next() % 3 == 0) {
            std::this_thread::sleep_for(std::chrono::microseconds(random.Next() % 2000));
            live.thread->Cancel(*ticket);
            live.thread->Cancel(*ticket);
          }
        }
      });
    }
    for (std::thread& client : clients) client.join();
    live.thread->Stop();
    for (const auto& sink : sinks) {
      REQUIRE(sink->endings == 1);
    }
    live.cloud.engine->CheckLaws();
    REQUIRE(live.cloud.engine->in_flight() == 0);
    REQUIRE(live.source.alive.empty());
  }
}

TEST_CASE("a drain refuses new requests and lets the others finish") {
  LiveCloud live;
  live.Start();
  auto sink = std::make_shared<RecordingSink>();
  REQUIRE(live.thread->Submit(live.Request(sink, 50, 100)).ok());
  live.thread->Drain();
  auto refused = std::make_shared<RecordingSink>();
  REQUIRE(live.thread->Submit(live.Request(refused, 1, 1)).ok());
  refused->Await();
  REQUIRE(absl::IsUnavailable(refused->status));
  sink->Await();
  REQUIRE(sink->since.size() == 100);
  REQUIRE(live.thread->progress_age() < Seconds(5));
  // The end of a drain lets the next request in at once, and does not outlive a stop.
  live.thread->EndDrain();
  auto next = std::make_shared<RecordingSink>();
  REQUIRE(live.thread->Submit(live.Request(next, 50, 3)).ok());
  next->Await();
  REQUIRE(next->since.size() == 3);
  live.thread->StartStopping();
  live.thread->EndDrain();
  REQUIRE(!live.thread->Submit(live.Request(next, 1, 1)).ok());
}

TEST_CASE("the mailbox is bounded") {
  EngineThreadOptions options;
  options.mailbox_capacity = 2;
  LiveCloud live(options);  // not started: nobody takes anything out
  auto sink = std::make_shared<RecordingSink>();
  REQUIRE(live.thread->Submit(live.Request(sink, 1, 1)).ok());
  REQUIRE(live.thread->Submit(live.Request(sink, 1, 1)).ok());
  REQUIRE(live.thread->Submit(live.Request(sink, 1, 1)).status().code() ==
          absl::StatusCode::kUnavailable);
  live.Start();
  sink->Await();
}

}  // namespace
}  // namespace waferline::runtime
