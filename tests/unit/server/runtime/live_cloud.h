// A small cloud on an EngineThread of its own, with sinks that are read from the test's thread.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "server/runtime/engine_thread.h"
#include "server/runtime/host.h"
#include "tests/unit/scheduler/engine/small_cloud.h"
#include "wafer_backend/base/notification.h"

namespace waferline::runtime {

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
    status = std::move(s);
    outcome = std::move(o);
    ++endings;
    ended.Notify();
  }
  void Await() { REQUIRE(ended.WaitFor(Seconds(60))); }
  Notification ended;
  absl::Status status;
  Outcome outcome;
  int endings = 0;
  size_t full_at = 0;
  std::vector<int64_t> wall_ns;
  std::vector<Nanoseconds> since;
};

struct Lateness : LatenessObserver {
  void OnTokenLateness(const engine::TokenInfo&, Nanoseconds wall) override {
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
  explicit LiveCloud(EngineThreadOptions options = {}, const std::string& model = "m") {
    cloud.lane.model = model;
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
    request.model = cloud.lane.model;
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

}  // namespace waferline::runtime
