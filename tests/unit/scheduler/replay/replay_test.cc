#include "scheduler/replay/replay.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <map>
#include <queue>
#include <set>
#include <sstream>

#include "scheduler/replay/generated_trace.h"
#include "scheduler/replay/laws.h"
#include "scheduler/replay/report_json.h"
#include "scheduler/replay/trace_reader.h"
#include "scheduler/replay/writers.h"
#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::replay {
namespace {

using engine::SmallCloud;

Trace SmallTrace(uint64_t seed, uint64_t requests = 300,
                 const char* arrivals = "gamma:rate=3000,cv=2") {
  Workload workload;
  workload.arrivals = *ParseArrivals(arrivals);
  workload.prompt = *ParseLengths("lognormal:mean=60,sigma=1,max=300");
  workload.output = *ParseLengths("exponential:mean=20,max=100");
  workload.requests = requests;
  workload.prefix_share = 0.5;
  workload.prefixes = 4;
  workload.prefix_tokens = 64;
  workload.block_tokens = 16;
  workload.seed = seed;
  return *Generate(workload);
}

struct Ran {
  Report report;
  std::string csv, timeline;
};
Ran RunCloud(SmallCloud& cloud, const Trace& trace, ReplayOptions options = {}) {
  options.engine.max_sequences = 2048;
  auto replay = Replay::Create(options, &cloud.timeline, {cloud.lane}, &trace);
  INFO(replay.status().message());
  REQUIRE(replay.ok());
  while ((*replay)->Advance(Milliseconds(3))) (*replay)->engine().CheckLaws();
  return {(*replay)->MakeReport({}), "", ""};
}

// The slow and obvious simulation: a sorted set of events, one for each token, no devices, no
// leases, no classes, written without looking at the engine. One worker, one wafer, first come.
struct Reference {
  struct Request {
    int64_t arrival, prompt, output;
    int64_t done = 0;  // prompt tokens computed
    std::vector<int64_t> tokens;
  };
  static constexpr int64_t kBudget = 64, kBacklog = 256, kPage = 16;
  int64_t pages_free, seats_free;
  std::vector<Request> requests;
  std::set<std::pair<int64_t, int64_t>> events;  // (instant, what): see Run
  std::vector<size_t> queue, on_worker;
  std::vector<std::pair<size_t, int64_t>> step;
  bool stepping = false;
  int64_t entry_free = 0;

  int64_t Pages(const Request& r) const { return (r.prompt + r.output + kPage - 1) / kPage; }
  int64_t Pending() const {
    int64_t pending = 0;
    for (const size_t i : on_worker) pending += requests[i].prompt - requests[i].done;
    return pending;
  }
  void Dispatch(int64_t now) {
    while (!queue.empty()) {
      const size_t first = queue.front();
      const int64_t pages = Pages(requests[first]);
      if (seats_free == 0 || pages_free < pages || Pending() >= kBacklog) break;
      --seats_free;
      pages_free -= pages;
      queue.erase(queue.begin());
      on_worker.push_back(first);
    }
    if (stepping || on_worker.empty()) return;
    int64_t budget = kBudget;
    step.clear();
    for (const size_t i : on_worker) {
      const int64_t chunk = std::min(budget, requests[i].prompt - requests[i].done);
      if (chunk == 0) continue;
      step.emplace_back(i, chunk);
      budget -= chunk;
    }
    stepping = true;
    events.emplace(now + (kBudget - budget) * 1000, -1);  // a microsecond a token
  }
  void Enter(size_t i, int64_t now) {
    // 8 layers of 10,007 ns on 4 stages.
    const int64_t enters = std::max(now, entry_free);
    entry_free = enters + 20'014;
    events.emplace(enters + 80'056, static_cast<int64_t>(requests.size() + i));
  }
  void Token(size_t i, int64_t now) {
    Request& r = requests[i];
    r.tokens.push_back(now);
    if (static_cast<int64_t>(r.tokens.size()) < r.output) return Enter(i, now);
    ++seats_free;
    pages_free += Pages(r);
  }
  void Run() {
    for (size_t i = 0; i < requests.size(); ++i) {
      events.emplace(requests[i].arrival, static_cast<int64_t>(i));
    }
    while (!events.empty()) {
      const auto [now, what] = *events.begin();
      events.erase(events.begin());
      if (what < 0) {
        stepping = false;
        for (const auto& [i, chunk] : step) {
          requests[i].done += chunk;
          if (requests[i].done < requests[i].prompt) continue;
          std::erase(on_worker, i);
          Token(i, now);
        }
      } else if (what < static_cast<int64_t>(requests.size())) {
        queue.push_back(static_cast<size_t>(what));
      } else {
        Token(static_cast<size_t>(what) - requests.size(), now);
      }
      Dispatch(now);
    }
  }
};

struct Recorder : engine::EngineObserver {
  void OnAdmitted(const engine::SequenceNote& s) override { ticket[s.slot] = s.ticket.value; }
  void OnToken(const engine::TokenNote& t) override {
    tokens[ticket[t.slot]].push_back(t.at.count());
  }
  std::map<uint32_t, uint64_t> ticket;
  std::map<uint64_t, std::vector<int64_t>> tokens;
};

TEST_CASE("every token leaves when the slow and obvious simulation says") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Trace trace = SmallTrace(seed, 200);
    for (TraceRequest& request : trace.requests) {
      request.blocks = 0;
    }
    // Durations that hardly ever make two events meet: who goes first at one instant is the
    // engine's own rule, which the reference does not know.
    SmallCloud cloud({.max_running = 12, .pages = 100, .per_layer = Nanoseconds(10'007)});
    cloud.lane.units[0].link = nullptr;
    Recorder recorder;
    ReplayOptions options;
    options.observer = &recorder;
    const Ran ran = RunCloud(cloud, trace, options);
    Reference reference{.pages_free = 100, .seats_free = 12};
    for (const TraceRequest& request : trace.requests) {
      reference.requests.push_back(
          {request.arrival.count(), request.prompt_tokens, request.output_tokens});
    }
    reference.Run();
    LogHistogram gaps;
    for (size_t i = 0; i < reference.requests.size(); ++i) {
      CAPTURE(i);
      const auto& expected = reference.requests[i].tokens;
      const bool same = recorder.tokens[i + 1] == expected;
      REQUIRE(same);
      for (size_t t = 1; t < expected.size(); ++t) {
        gaps.Add(Nanoseconds(expected[t] - expected[t - 1]));
      }
    }
    REQUIRE(gaps.count() == ran.report.inter_token.count());
    for (const double share : {0.5, 0.9, 0.99, 1.0}) {
      REQUIRE(gaps.Percentile(share) == ran.report.inter_token.Percentile(share));
    }
  }
}

TEST_CASE("the slices in which a run is taken change nothing") {
  const Trace trace = SmallTrace(4);
  std::set<uint64_t> digests;
  for (const int64_t us : {7, 900, 1'000'000}) {
    SmallCloud cloud({.workers = 2, .units = 2});
    ReplayOptions options;
    auto replay = Replay::Create(options, &cloud.timeline, {cloud.lane}, &trace);
    REQUIRE(replay.ok());
    while ((*replay)->Advance(Microseconds(us))) {
    }
    digests.insert((*replay)->MakeReport({}).digest);
  }
  REQUIRE(digests.size() == 1);
}

TEST_CASE("the engine makes the same schedule of a trace with values that come late") {
  const Trace trace = SmallTrace(5, 100);
  SmallCloud offline({.workers = 2, .units = 2, .max_running = 16, .pages = 400});
  const Ran ran = RunCloud(offline, trace);

  SmallCloud live({.workers = 2, .units = 2, .max_running = 16, .pages = 400});
  live.Build({.max_sequences = 2048});
  // Prompts of real tokens, each at its instant.
  struct Client : EventTarget {
    void OnEvent(uint64_t index) override {
      cloud->AskFor(PromptOf(*trace, index), trace->requests[index].output_tokens);
    }
    SmallCloud* cloud;
    const Trace* trace;
  } client;
  client.cloud = &live;
  client.trace = &trace;
  for (uint64_t i = 0; i < trace.requests.size(); ++i) {
    live.timeline.Schedule(ArrivalOf(trace, i, 1), Priority::kArrival, &client, i);
  }
  live.source.late_every = 3;
  uint64_t blocked = 0;
  for (;;) {
    if (live.engine->RunUntil(Seconds(1000)) == engine::Engine::Pause::kIdle) break;
    ++blocked;
  }
  REQUIRE(blocked > 10);
  REQUIRE(live.engine->digest() == ran.report.digest);
}

TEST_CASE("parts add up, devices are accounted for, and the JSON says it") {
  SmallCloud cloud({.workers = 2, .units = 1, .gpus = 1});
  cloud.lane.workers[0].cache_tokens = cloud.lane.workers[1].cache_tokens = Tokens(4096);
  const Trace trace = SmallTrace(6);
  ReplayOptions options;
  options.objectives.ttft = Microseconds(150);
  const Report r = RunCloud(cloud, trace, options).report;
  REQUIRE(r.completed + r.refused_total() == 300);
  REQUIRE(r.queue.sum_ns() + r.prefill.sum_ns() + r.transfer.sum_ns() + r.decode.sum_ns() ==
          r.e2e.sum_ns());
  REQUIRE(r.cache_hit_tokens > 0);
  REQUIRE(r.met_objectives > 0);
  REQUIRE(r.met_objectives < r.requests);
  REQUIRE(r.devices.size() == 5);
  uint64_t fresh = 0;
  for (const DeviceUse& device : r.devices) {
    REQUIRE(device.busy_share >= 0);
    REQUIRE(device.busy_share <= 1.0001);
    if (device.kind == "prefill") fresh += device.tokens;
    if (device.kind == "link") {
      REQUIRE(device.bytes ==
              Approx(SmallCloud::kKvPerToken * static_cast<double>(r.prompt_tokens)).epsilon(0.1));
    }
  }
  REQUIRE(fresh == r.prompt_tokens - r.cache_hit_tokens);
  const boost::json::object json = ToJson(r);
  REQUIRE(json.at("requests").at("completed").to_number<uint64_t>() == r.completed);
  REQUIRE(json.at("ttft_ms").at("p99").to_number<double>() > 0);
  REQUIRE(boost::json::parse(Pretty(json)) == boost::json::value(json));

  boost::json::object other = json;
  other["output_tokens"] = r.output_tokens * 2;
  const auto differences = Compare(json, other);
  REQUIRE(differences.size() == 1);
  REQUIRE(differences[0].field == "output_tokens");
  REQUIRE(differences[0].relative == Approx(1));
}

TEST_CASE("requests and timeline are written as they go") {
  SmallCloud cloud;
  const Trace trace = SmallTrace(7, 50);
  std::ostringstream csv, perfetto;
  {
    RequestsCsv requests(&csv);
    ReplayOptions options;
    options.observer = &requests;
    RunCloud(cloud, trace, options);
  }
  const std::string table = csv.str();
  REQUIRE(std::count(table.begin(), table.end(), '\n') == 51);
  std::istringstream lines(table);
  std::string line;
  size_t commas = 0;
  while (std::getline(lines, line)) {
    const size_t here = std::count(line.begin(), line.end(), ',');
    if (commas == 0) commas = here;
    REQUIRE(here == commas);
  }
  SmallCloud again;
  {
    PerfettoTimeline timeline(&perfetto, &again.timeline, {again.lane});
    ReplayOptions options;
    options.observer = &timeline;
    RunCloud(again, trace, options);
  }
  const boost::json::value parsed = boost::json::parse(perfetto.str());
  int64_t open = 0;
  size_t steps = 0;
  for (const auto& event : parsed.at("traceEvents").as_array()) {
    const auto& phase = event.at("ph").as_string();
    open += phase == "b" ? 1 : phase == "e" ? -1 : 0;
    steps += phase == "X";
  }
  REQUIRE(open == 0);
  REQUIRE(steps > 20);
}

TEST_CASE("speed-up packs arrivals, repetition goes on with new prompts") {
  const Trace trace = SmallTrace(8, 100, "constant:rate=100");
  SmallCloud once, fast, thrice;
  for (SmallCloud* cloud : {&once, &fast, &thrice}) {
    cloud->lane.workers[0].cache_tokens = Tokens(1 << 20);
  }
  const Report a = RunCloud(once, trace).report;
  ReplayOptions options;
  options.speed_up = 4;
  const Report b = RunCloud(fast, trace, options).report;
  REQUIRE(b.seconds() < a.seconds() / 3);
  options.speed_up = 1;
  options.repeat = 3;
  const Report c = RunCloud(thrice, trace, options).report;
  REQUIRE(c.completed == 300);
  REQUIRE(c.seconds() == Approx(a.seconds() * 3).epsilon(0.02));
  // Up to what the seams between repetitions change.
  REQUIRE(static_cast<double>(c.cache_hit_tokens) ==
          Approx(3.0 * static_cast<double>(a.cache_hit_tokens)).epsilon(0.02));
}

TEST_CASE("a fault script changes the run and loses nobody") {
  const Trace trace = SmallTrace(9, 300, "poisson:rate=1500");
  SmallCloud calm({.workers = 2, .units = 2}), stormy({.workers = 2, .units = 2});
  const Report a = RunCloud(calm, trace).report;
  ReplayOptions options;
  using Kind = engine::Fault::Kind;
  options.faults = {{Milliseconds(20), {Kind::kUnitLost, 0, 1}},
                    {Milliseconds(60), {Kind::kUnitBack, 0, 1}},
                    {Milliseconds(80), {Kind::kWorkerLost, 0, 0}},
                    {Milliseconds(100), {Kind::kWorkerBack, 0, 0}},
                    {Milliseconds(120), {Kind::kLinkSpeed, 0, 0, 0.1}}};
  const Report b = RunCloud(stormy, trace, options).report;
  REQUIRE(b.restarts[static_cast<int>(engine::RestartCause::kUnitLost)] > 0);
  REQUIRE(b.completed == a.completed);
  REQUIRE(b.output_tokens == a.output_tokens);
  REQUIRE(b.e2e.mean_ns() > a.e2e.mean_ns());
}

TEST_CASE("what cannot be replayed is refused by name") {
  const Trace trace = SmallTrace(1, 10);
  const auto message = [&](SmallCloud& cloud, const ReplayOptions& options, const Trace& t) {
    return std::string(
        Replay::Create(options, &cloud.timeline, {cloud.lane}, &t).status().message());
  };
  SmallCloud a;
  a.lane.workers[0].cache_tokens = Tokens(100);
  a.lane.block_tokens = 32;
  REQUIRE(message(a, {}, trace).find("block_tokens is 32") != std::string::npos);
  SmallCloud b;
  ReplayOptions options;
  options.faults = {{Seconds(1), {engine::Fault::Kind::kUnitLost, 0, 9}}};
  REQUIRE(message(b, options, trace).find("fault 0") != std::string::npos);
  Trace other = trace;
  other.models.push_back("x");
  other.requests[3].model = 1;
  SmallCloud c;
  REQUIRE(message(c, {}, other).find("\"x\"") != std::string::npos);
  options = {};
  options.speed_up = 0;
  REQUIRE(message(c, options, trace).find("speed_up") != std::string::npos);
}

TEST_CASE("the closed form of M/D/c is M/D/1's for one server, and falls with servers") {
  for (const double load : {0.1, 0.5, 0.9}) {
    REQUIRE(MeanWaitMdc(1, load) == Approx(load / (2 * (1 - load))).epsilon(1e-6));
    REQUIRE(MeanWaitMdc(2, load) < MeanWaitMdc(1, load));
  }
  // Half of M/M/2's rho^2 / (1 - rho^2) = 0.3333, times a correction of a few percent.
  REQUIRE(MeanWaitMdc(2, 0.5) == Approx(0.5 * 0.3333).epsilon(0.08));
}

TEST_CASE("the laws hold") {
  for (const LawResult& result : CheckAllLaws(1, {})) {
    INFO(result.law << ": expected " << result.expected << ", found " << result.found);
    CHECK(result.holds);
  }
}

}  // namespace
}  // namespace waferline::replay
