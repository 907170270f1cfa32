#include "client/load/load_run.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "client/load/load_report.h"

namespace waferline::load {
namespace {

// A client without a server: each call gives its pieces after a while, on a thread of its own.
class SlowClient : public sdk::TokenClient {
 public:
  explicit SlowClient(std::chrono::milliseconds lasts) : lasts_(lasts) {}
  ~SlowClient() override {
    for (std::thread& thread : threads_) thread.join();
  }

  class SlowCall : public Call {
   public:
    void Cancel() override {
      std::lock_guard lock(mutex);
      cancelled = true;
      changed.notify_all();
    }
    std::mutex mutex;
    std::condition_variable changed;
    bool cancelled = false;
  };

  std::shared_ptr<Call> Start(const sdk::GenerateSpec& spec,
                              sdk::StreamListener listener) override {
    auto call = std::make_shared<SlowCall>();
    if (spec.ask_token_ids && !takes_token_ids) {
      listener.on_end({.status = absl::InvalidArgumentError("return_token_ids is not known")});
      return call;
    }
    max_at_once = std::max<int>(max_at_once, ++at_once_);
    std::lock_guard lock(mutex_);
    specs.push_back(spec);
    threads_.emplace_back([this, call, listener] {
      std::unique_lock call_lock(call->mutex);
      call->changed.wait_for(call_lock, lasts_, [&] { return call->cancelled; });
      --at_once_;
      if (call->cancelled) {
        listener.on_end({.status = absl::CancelledError("cancelled")});
        return;
      }
      listener.on_piece({.text = "a", .tokens = 1});
      listener.on_piece({.text = "bc", .tokens = 2});
      listener.on_end({.finish_reason = "length", .prompt_tokens = 1, .completion_tokens = 3});
    });
    return call;
  }
  absl::StatusOr<std::vector<sdk::ModelEntry>> ListModels() override {
    return std::vector<sdk::ModelEntry>();
  }
  absl::StatusOr<std::string> ScheduleDigest() override {
    return absl::UnimplementedError("nothing is scheduled here");
  }
  absl::Status ApplyFault(const sdk::FaultSpec&) override {
    return absl::UnimplementedError("there is no hardware here");
  }

  bool takes_token_ids = true;
  std::atomic<int> max_at_once = 0;
  std::vector<sdk::GenerateSpec> specs;

 private:
  const std::chrono::milliseconds lasts_;
  std::atomic<int> at_once_ = 0;
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

const std::function<bool(const LoadProgress&)> kGoOn = [](const LoadProgress&) { return true; };

LoadSettings Settings(uint32_t requests, ArrivalSettings arrival) {
  LoadSettings settings;
  settings.prompts = {std::string("one"), std::string("two")};
  settings.requests = requests;
  settings.arrival = arrival;
  return settings;
}

TEST_CASE("a closed loop keeps its number in flight, never more, and takes the prompts in turn") {
  SlowClient client(std::chrono::milliseconds(20));
  const LoadResult result = RunLoad(client, Settings(20, {.concurrency = 4}), kGoOn);
  REQUIRE(result.records.size() == 20);
  CHECK(client.max_at_once == 4);
  CHECK_FALSE(result.interrupted);
  for (uint32_t i = 0; i < 20; ++i) {
    const RequestRecord& record = result.records[i];
    CHECK(record.index == i);
    CHECK(record.ok());
    CHECK(TokensOf(record) == 3);
    CHECK(CountsTokens(record));
    CHECK(record.scheduled <= record.sent);
    CHECK(record.sent < record.arrivals.front().at);
    CHECK(record.arrivals.back().at <= record.ended);
    CHECK(std::get<std::string>(client.specs[i].prompt) == (i % 2 == 0 ? "one" : "two"));
  }
  // Five rounds of 20 ms.
  CHECK(result.duration >= Milliseconds(100));
}

TEST_CASE("an open loop sends on its schedule, whatever the server does") {
  SlowClient client(std::chrono::milliseconds(300));
  const LoadSettings settings = Settings(30, {.rate_per_second = 200.0});
  const LoadResult result = RunLoad(client, settings, kGoOn);
  REQUIRE(result.records.size() == 30);
  const auto due = PoissonInstants(30, 200, settings.seed);
  for (uint32_t i = 0; i < 30; ++i) {
    CHECK(result.records[i].scheduled == due[i]);
    CHECK(result.records[i].sent >= due[i]);
  }
  CHECK(client.max_at_once > 10);
}

TEST_CASE("under a rate with a bound, waiting for a place shows in the latency from schedule") {
  SlowClient client(std::chrono::milliseconds(30));
  const LoadResult result =
      RunLoad(client, Settings(10, {.concurrency = 1, .rate_per_second = 1000.0}), kGoOn);
  CHECK(client.max_at_once == 1);
  const LoadReport report = Evaluate(result, {}, true);
  CHECK(report.e2el_from_schedule_ms.max > 5 * report.e2el_ms.median);
  CHECK_FALSE(report.warnings.empty());
}

TEST_CASE("a run that must end cancels what is in flight and keeps what it has") {
  SlowClient client(std::chrono::seconds(60));
  const LoadResult result = RunLoad(client, Settings(100, {.concurrency = 5}),
                                    [](const LoadProgress& now) { return now.done > 0; });
  CHECK(result.interrupted);
  REQUIRE(result.records.size() == 5);
  for (const RequestRecord& record : result.records) {
    CHECK(record.status.code() == absl::StatusCode::kCancelled);
    CHECK(record.cut);
  }
  const LoadReport report = Evaluate(result, {}, false);
  CHECK(report.failed == 0);
  CHECK(report.cut == 5);
}

TEST_CASE("Warm learns whether the server counts the tokens of a chunk") {
  SlowClient client(std::chrono::milliseconds(1));
  sdk::GenerateSpec spec;
  CHECK(Warm(client, &spec, std::string("x")).ok());
  CHECK(spec.ask_token_ids);
  client.takes_token_ids = false;
  CHECK(Warm(client, &spec, std::string("x")).ok());
  CHECK_FALSE(spec.ask_token_ids);
}

}  // namespace
}  // namespace waferline::load
