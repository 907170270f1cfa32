#include "server/runtime/engine_thread.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "server/runtime/lateness_meter.h"
#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::runtime {
namespace {

using engine::SmallCloud;

// Records on the engine's thread; the test reads when the outcome is there.
struct RecordingSink : TokenSink {
  void OnAdmitted() override {}
  void OnRefused(const Refusal& r) override { Finish(r.status, {}); }
  Verdict OnToken(const TokenEvent& token) override {
    wall_ns.push_back(WallNanoseconds());
    since.push_back(token.since_arrival);
    return since.size() == full_at ? Verdict::kFull : Verdict::kContinue;
  }
  void OnOutcome(const Outcome& o) override { Finish(o.status, o); }
  void Finish(absl::Status s, Outcome o) {
    std::lock_guard lock(mutex);
    status = std::move(s);
    outcome = std::move(o);
    ++endings;
    changed.notify_all();
  }
  void Await() {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return endings > 0; }));
  }
  std::mutex mutex;
  std::condition_variable changed;
  absl::Status status;
  Outcome outcome;
  int endings = 0;
  size_t full_at = 0;
  std::vector<int64_t> wall_ns;
  std::vector<Nanoseconds> since;
};

struct Lateness : LatenessObserver {
  void OnTokenLateness(uint32_t, Nanoseconds wall) override {
    ++tokens;
    worst = std::max(worst, wall);
  }
  void OnBlocked(Nanoseconds wall) override {
    blocked += wall;
    ++stops;
  }
  uint64_t tokens = 0, stops = 0;
  Nanoseconds worst, blocked;
};

// Has as many values of each sequence as were given.
struct GatedSource : engine::SteeredSource {
  State Look(SequenceId id, uint32_t index, const TokenValue** value) override {
    return index < given.load() ? SteeredSource::Look(id, index, value) : State::kPending;
  }
  static constexpr uint32_t kAll = 1 << 20;
  std::atomic<uint32_t> given{kAll};
};

struct LiveCloud {
  explicit LiveCloud(EngineThreadOptions options = {}) {
    cloud.lane.values = &source;
    thread = std::make_unique<EngineThread>(options, &cloud.timeline, &lateness);
    cloud.Build(
        {.max_sequences = 64, .hold_time_for_readers = options.clock.kind == ClockKind::kStepped},
        {thread->observer()});
  }
  ~LiveCloud() { thread->Stop(); }
  void Start() { thread->Start(cloud.engine.get()); }
  ValidRequest Request(std::shared_ptr<RecordingSink> sink, uint32_t prompt, uint32_t max_tokens) {
    ValidRequest request;
    request.model = "m";
    request.prompt = std::make_shared<const std::vector<TokenId>>(prompt, 1 + prompt);
    request.max_tokens = max_tokens;
    request.sink = std::move(sink);
    return request;
  }
  GatedSource source;
  SmallCloud cloud{{.max_running = 32, .pages = 1000}};
  Lateness lateness;
  std::unique_ptr<EngineThread> thread;
};

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
      cloud->cloud.engine->Submit(Ticket{k + 1}, TracedRequest(*cloud, nullptr, k));
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

TEST_CASE("a request that is cancelled before its arrival never arrives, and holds up nobody") {
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

TEST_CASE("cancels from other threads reach every stage, and stopping answers everyone") {
  for (const bool stepped : {false, true}) {
    EngineThreadOptions options;
    options.clock.kind = stepped ? ClockKind::kStepped : ClockKind::kReal;
    options.drain_bound = Milliseconds(200);
    LiveCloud live(options);
    live.Start();
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    std::mutex mutex;
    std::vector<std::thread> clients;
    for (int c = 0; c < 3; ++c) {
      clients.emplace_back([&, c] {
        SeededStream random(c);
        for (int i = 0; i < 100; ++i) {
          auto sink = std::make_shared<RecordingSink>();
          const auto ticket = live.thread->Submit(
              live.Request(sink, 1 + random.Next() % 200, 1 + random.Next() % 500));
          if (!ticket.ok()) continue;
          {
            std::lock_guard lock(mutex);
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
      std::lock_guard lock(sink->mutex);
      REQUIRE(sink->endings == 1);
    }
    live.cloud.engine->CheckLaws();
    REQUIRE(live.cloud.engine->in_flight() == 0);
    REQUIRE(live.source.alive.empty());
  }
}

TEST_CASE("a drain refuses newcomers and lets the others finish") {
  LiveCloud live;
  live.Start();
  auto sink = std::make_shared<RecordingSink>();
  REQUIRE(live.thread->Submit(live.Request(sink, 50, 100)).ok());
  live.thread->Drain();
  REQUIRE(!live.thread->Submit(live.Request(sink, 1, 1)).ok());
  sink->Await();
  REQUIRE(sink->since.size() == 100);
  REQUIRE(live.thread->progress_age() < Seconds(5));
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
