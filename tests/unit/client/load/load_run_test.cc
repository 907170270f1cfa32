#include "client/load/load_run.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <map>
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
      if (End(*call, lasts_, listener)) return;
      listener.on_piece({.text = "a", .tokens = 1});
      if (End(*call, std::chrono::milliseconds(0), listener)) return;
      listener.on_piece({.text = "bc", .tokens = 2});
      --at_once_;
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
  // After a while, or when it is cancelled: then it ends, and this is true.
  bool End(SlowCall& call, std::chrono::milliseconds lasts, const sdk::StreamListener& listener) {
    {
      std::unique_lock lock(call.mutex);
      call.changed.wait_for(lock, lasts, [&] { return call.cancelled; });
      if (!call.cancelled) return false;
    }
    --at_once_;
    listener.on_end({.status = absl::CancelledError("cancelled")});
    return true;
  }

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

TEST_CASE("a conversation takes one place, and each turn has all that was said") {
  SlowClient client(std::chrono::milliseconds(5));
  LoadSettings settings = Settings(8, {.concurrency = 2});
  settings.prompts = {std::vector<sdk::ChatTurn>{{"user", "one"}},
                      std::vector<sdk::ChatTurn>{{"user", "two"}}};
  settings.turns = 3;
  settings.next_words = [](uint32_t index) { return "turn " + std::to_string(index); };
  const LoadResult result = RunLoad(client, settings, kGoOn);
  REQUIRE(result.records.size() == 8);
  CHECK(client.max_at_once <= 2);
  std::map<std::string, std::vector<size_t>> turns;  // of each conversation, by its first words
  std::map<uint32_t, int> seen;
  for (const sdk::GenerateSpec& spec : client.specs) {
    const auto& said = std::get<std::vector<sdk::ChatTurn>>(spec.prompt);
    turns[said.front().content].push_back(said.size());
    for (size_t i = 0; i < said.size(); ++i) {
      CHECK(said[i].role == (i % 2 == 0 ? "user" : "assistant"));
      if (i % 2 == 1) CHECK(said[i].content == "abc");
    }
    if (said.size() > 1) CHECK(said.back().content.starts_with("turn "));
  }
  // Of three conversations the last one has two turns; it begins as the first did.
  CHECK(turns["two"] == std::vector<size_t>{1, 3, 5});
  CHECK(turns["one"].size() == 5);
  for (const RequestRecord& record : result.records) {
    CHECK(++seen[record.index] == 1);
    CHECK(record.scheduled <= record.sent);
  }
}

TEST_CASE("clients that are to go away do, and count as cancelled") {
  SlowClient client(std::chrono::milliseconds(5));
  LoadSettings settings = Settings(6, {.concurrency = 3});
  settings.request.max_tokens = 1;
  settings.manners.cancel_share = 1;
  const LoadReport all = Evaluate(RunLoad(client, settings, kGoOn), {}, false);
  CHECK((all.cancelled == 6 && all.completed == 0 && all.failed == 0));
  settings.manners.cancel_share = 0;
  CHECK(Evaluate(RunLoad(client, settings, kGoOn), {}, false).completed == 6);
}

TEST_CASE("manners are drawn by seed and index, about as often as asked") {
  const ClientManners manners{
      .cancel_share = 0.3, .slow_share = 0.2, .read_pause = Milliseconds(50)};
  int cancels = 0, slow = 0;
  for (uint32_t i = 0; i < 2000; ++i) {
    const RequestManner one = MannerOf(manners, {.seed = 7, .index = i, .max_tokens = 16});
    const RequestManner same = MannerOf(manners, {.seed = 7, .index = i, .max_tokens = 16});
    CHECK((one.cancel_after == same.cancel_after && one.read_pause == same.read_pause));
    if (one.cancel_after) CHECK((*one.cancel_after >= 1 && *one.cancel_after <= 16));
    cancels += one.cancel_after.has_value();
    slow += one.read_pause > Nanoseconds(0);
  }
  CHECK((cancels > 500 && cancels < 700 && slow > 320 && slow < 480));
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
