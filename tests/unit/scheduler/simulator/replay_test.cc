#include "scheduler/simulator/replay.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <sstream>

#include "scheduler/simulator/generated_trace.h"
#include "scheduler/simulator/laws.h"
#include "scheduler/simulator/report_json.h"
#include "scheduler/simulator/trace_reader.h"
#include "scheduler/simulator/writers.h"
#include "tests/unit/scheduler/engine/small_cloud.h"
#include "tests/unit/scheduler/simulator/slow_simulation.h"

namespace waferline::simulator {
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

struct Recorder : engine::EngineObserver {
  void OnAdmitted(const engine::SequenceInfo& s) override { ticket[s.slot.value] = s.ticket.value; }
  void OnToken(const engine::TokenInfo& t) override {
    tokens[ticket[t.slot.value]].push_back(t.at.count());
  }
  std::map<uint32_t, uint64_t> ticket;
  std::map<uint64_t, std::vector<int64_t>> tokens;
};

using Slow = SlowSimulation;

struct SlowScript {
  int64_t at_us;
  Slow::What what;
  int index = 0;
  double factor = 1;
};

engine::Fault FaultOf(const SlowScript& script) {
  using Kind = engine::Fault::Kind;
  const Kind kinds[] = {Kind::kWorkerLost, Kind::kWorkerBack, Kind::kUnitLost,
                        Kind::kUnitBack,   Kind::kUnitSpeed,  Kind::kLinkSpeed};
  return {kinds[static_cast<int>(script.what)],
          {0},
          {static_cast<uint32_t>(script.index)},
          script.factor};
}

// Runs a trace through both and compares every token's instant. Durations are such that hardly ever
// two events meet: who goes first at one instant is the engine's own rule.
Slow RunBoth(const Slow::Setting& set, const Trace& trace, const std::vector<SlowScript>& script) {
  SmallCloud cloud({.workers = set.workers,
                    .units = set.units,
                    .max_running = static_cast<int>(set.slots),
                    .pages = set.pages,
                    .link_latency = Nanoseconds(set.latency_ns),
                    .per_layer = Nanoseconds(10'007)});
  cloud.lane.kv_bytes_per_token = Bytes(set.kv_bytes);
  cloud.lane.limits.heartbeat = Nanoseconds(set.heartbeat_ns);
  cloud.lane.limits.lost_heartbeats = static_cast<uint32_t>(set.lost_heartbeats);
  cloud.lane.limits.max_restarts = 1000;
  for (auto& worker : cloud.lane.workers) worker.cache_tokens = Tokens(16 * set.cache_blocks);
  Recorder recorder;
  ReplayOptions options;
  options.observers = {&recorder};
  Slow slow(set);
  for (const SlowScript& s : script) {
    options.faults.push_back({Microseconds(s.at_us), FaultOf(s)});
    slow.AddFault(s.at_us * 1000, s.what, s.index, s.factor);
  }
  const Ran ran = RunCloud(cloud, trace, options);
  for (const TraceRequest& request : trace.requests) {
    const auto first = trace.block_ids.begin() + static_cast<int64_t>(request.first_block);
    const uint32_t full = std::min(request.blocks, request.prompt_tokens / 16);
    slow.requests.push_back({.arrival = request.arrival.count(),
                             .prompt = request.prompt_tokens,
                             .output = request.output_tokens,
                             .blocks = {first, first + full}});
  }
  slow.Run();
  LogHistogram gaps;
  uint64_t refused = 0;
  for (size_t i = 0; i < slow.requests.size(); ++i) {
    CAPTURE(i);
    const auto& expected = slow.requests[i].tokens;
    const bool same = recorder.tokens[i + 1] == expected;
    REQUIRE(same);
    refused += slow.requests[i].refused;
    for (size_t t = 1; t < expected.size(); ++t) {
      gaps.Add(Nanoseconds(expected[t] - expected[t - 1]));
    }
  }
  REQUIRE(refused == ran.report.refused_total());
  REQUIRE(gaps.count() == ran.report.inter_token.count());
  for (const double share : {0.5, 0.9, 0.99, 1.0}) {
    REQUIRE(gaps.Percentile(share) == ran.report.inter_token.Percentile(share));
  }
  REQUIRE(slow.leases_lost ==
          static_cast<int64_t>(
              ran.report.restarts[static_cast<int>(engine::RestartCause::kLeaseExpired)]));
  return slow;
}

TEST_CASE("every token leaves when the slow and obvious simulation says") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    RunBoth({.slots = 12, .pages = 100}, SmallTrace(seed, 200), {});
  }
}

TEST_CASE(
    "so it does when transfers contend, prefixes are cached and evicted, and queues build up") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    const Slow slow = RunBoth({.workers = 2,
                               .units = 3,
                               .slots = 5,
                               .pages = 60,
                               .cache_blocks = 40,
                               .latency_ns = 3'331,
                               .kv_bytes = 601},
                              SmallTrace(seed, 300, "gamma:rate=9000,cv=2"), {});
    REQUIRE(slow.max_on_link > 3);
  }
}

TEST_CASE("and when workers, wafers and the link fail under it") {
  using What = Slow::What;
  const std::vector<SlowScript> script = {
      {3'001, What::kUnitLost, 1},        {6'003, What::kLinkSpeed, 0, 0.5},
      {9'007, What::kWorkerLost, 0},      {12'011, What::kUnitBack, 1},
      {14'009, What::kLinkSpeed, 0, 0},   {16'013, What::kLinkSpeed, 0, 1},
      {18'017, What::kWorkerBack, 0},     {20'021, What::kUnitSlow, 0, 1.7},
      {23'003, What::kUnitLost, 0},       {23'503, What::kUnitLost, 2},
      {24'001, What::kUnitLost, 1},       {25'003, What::kUnitBack, 2},
      {26'007, What::kUnitBack, 0},       {27'001, What::kLinkSpeed, 0, 0},
      {27'301, What::kLinkSpeed, 0, 0.5}, {30'011, What::kLinkSpeed, 0, 1}};
  int64_t leases = 0;
  size_t restarts = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    const Slow slow = RunBoth({.workers = 2,
                               .units = 3,
                               .slots = 5,
                               .pages = 60,
                               .cache_blocks = 40,
                               .latency_ns = 3'331,
                               .kv_bytes = 601,
                               .heartbeat_ns = 100'003,
                               .lost_heartbeats = 2},
                              SmallTrace(seed, 300, "gamma:rate=9000,cv=2"), script);
    leases += slow.leases_lost;
    for (const Slow::Request& request : slow.requests) {
      restarts +=
          static_cast<size_t>(request.lives - (request.state == Slow::Request::State::kOver));
    }
  }
  REQUIRE(leases > 20);
  REQUIRE(restarts > 20 * 20);
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
    options.observers = {&requests};
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
    options.observers = {&timeline};
    RunCloud(again, trace, options);
  }
  const boost::json::value parsed = boost::json::parse(perfetto.str());
  int64_t open = 0;
  size_t steps = 0;
  std::set<std::string> counters;
  for (const auto& event : parsed.at("traceEvents").as_array()) {
    const auto& phase = event.at("ph").as_string();
    open += phase == "b" ? 1 : phase == "e" ? -1 : 0;
    steps += phase == "X";
    if (phase == "C") counters.insert(std::string(event.at("name").as_string()));
  }
  REQUIRE(open == 0);
  REQUIRE(steps > 20);
  const std::string unit = again.lane.units[0].name;
  for (const char* track : {" stages", " tokens a second", " link", " link bytes"}) {
    CAPTURE(track);
    CHECK(counters.contains(unit + track));
  }
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

TEST_CASE("a fault script changes the run and loses no request") {
  const Trace trace = SmallTrace(9, 300, "poisson:rate=1500");
  SmallCloud calm({.workers = 2, .units = 2}), stormy({.workers = 2, .units = 2});
  const Report a = RunCloud(calm, trace).report;
  ReplayOptions options;
  using Kind = engine::Fault::Kind;
  options.faults = {{Milliseconds(20), {.kind = Kind::kUnitLost, .index = {1}}},
                    {Milliseconds(60), {.kind = Kind::kUnitBack, .index = {1}}},
                    {Milliseconds(80), {.kind = Kind::kWorkerLost, .index = {0}}},
                    {Milliseconds(100), {.kind = Kind::kWorkerBack, .index = {0}}},
                    {Milliseconds(120), {.kind = Kind::kLinkSpeed, .index = {0}, .factor = 0.1}}};
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
  options.faults = {{Seconds(1), {.kind = engine::Fault::Kind::kUnitLost, .index = {9}}}};
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
}  // namespace waferline::simulator
