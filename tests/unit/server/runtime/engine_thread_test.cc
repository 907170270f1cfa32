#include "server/runtime/engine_thread.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "server/runtime/observed.h"
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
    thread = std::make_unique<EngineThread>(options, &cloud.timeline, nullptr, &lateness);
    cloud.Build(
        {.max_sequences = 64, .hold_time_for_readers = options.clock.kind == ClockKind::kStepped},
        thread->observer());
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

TEST_CASE("stepped time runs as fast as values arrive, with client-made arrivals and one digest") {
  EngineThreadOptions options;
  options.clock.kind = ClockKind::kStepped;
  options.clock.gate_requests = 20;
  // The same requests through the engine alone, offline.
  uint64_t digest = 0;
  {
    LiveCloud offline;
    for (int k = 0; k < 20; ++k) {
      ValidRequest request = offline.Request(nullptr, 10 + k, 30 + k);
      request.arrival = Seconds(k / 2);
      offline.cloud.engine->Submit(Ticket{uint64_t(k) + 1}, std::move(request));
    }
    REQUIRE(offline.cloud.engine->RunUntil(Seconds(1000)) == engine::Engine::Pause::kIdle);
    digest = offline.cloud.engine->digest();
  }
  for (const bool backwards : {false, true}) {
    LiveCloud live(options);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    live.Start();
    for (int i = 0; i < 20; ++i) {
      const int k = backwards ? 19 - i : i;
      sinks.push_back(std::make_shared<RecordingSink>());
      ValidRequest request = live.Request(sinks.back(), 10 + k, 30 + k);
      request.request_id = "r" + std::to_string(100 + k);
      request.arrival = Seconds(k / 2);
      REQUIRE(live.thread->Submit(std::move(request)).ok());
    }
    for (const auto& sink : sinks) sink->Await();
    const engine::EngineSnapshot end = live.thread->Snapshot();
    REQUIRE(end.now > Seconds(9));
    REQUIRE(end.tokens == 20 * 30 + 190);
    REQUIRE(end.digest == digest);
  }
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
    REQUIRE(live.cloud.engine->pending() == 0);
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
