#include "scheduler/simulator/laws.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>

#include "scheduler/simulator/generated_trace.h"
#include "scheduler/simulator/replay.h"
#include "wafer_backend/base/check.h"

namespace waferline::simulator {
namespace {

// Every step takes the same time, whatever is in it.
class FixedWorker : public PrefillDevice {
 public:
  explicit FixedWorker(Nanoseconds step) : step_(step) {}
  Nanoseconds StepTime(std::span<const PrefillChunk>) const override { return step_; }
  int layer_count() const override { return 1; }

 private:
  Nanoseconds step_;
};

// One stage is the whole latency: a single server for tokens.
class FixedPipeline : public DecodePipeline {
 public:
  explicit FixedPipeline(Nanoseconds token) : token_(token) {}
  Beat Enter(Nanoseconds ready, Tokens, int width) override {
    free_ = std::max(ready, free_) + token_ * width;
    entered_ += width;
    return {token_ * width, free_};
  }
  Nanoseconds Latency(Tokens) const override { return token_; }
  int depth(Tokens) const override { return 1; }
  int stage_count() const override { return 1; }
  Nanoseconds StageBusy(int) const override { return token_ * static_cast<int64_t>(entered_); }
  uint64_t entered() const override { return entered_; }
  void SetSlowdown(double) override {}
  void SetStageSlowdown(int, double) override {}

 private:
  Nanoseconds token_;
  Nanoseconds free_;
  uint64_t entered_ = 0;
};

// The area under the number of requests inside.
class Area : public engine::EngineObserver {
 public:
  explicit Area(const Timeline* clock) : clock_(clock) {}
  void OnAdmitted(const engine::SequenceInfo&) override { Change(1); }
  void OnOutcome(const engine::OutcomeInfo&) override { Change(-1); }
  double seconds() const { return area_ns_ * 1e-9; }

 private:
  void Change(int by) {
    area_ns_ += static_cast<double>(inside_) * (clock_->now() - since_).as_double();
    since_ = clock_->now();
    inside_ += by;
  }
  const Timeline* clock_;
  Nanoseconds since_;
  int64_t inside_ = 0;
  double area_ns_ = 0;
};

constexpr Nanoseconds kService = Milliseconds(10);
constexpr Nanoseconds kToken = Microseconds(100);
constexpr uint32_t kPrompt = 64;

struct LawRun {
  Report report;
  double area_seconds = 0;
  uint32_t max_waiting = 0;
};

struct Setting {
  int workers = 1;
  double load = 0.5;  // of each worker
  uint32_t output_tokens = 1;
  uint64_t requests = 100'000;
  double speed = 1;  // of the worker; arrivals stay
  uint32_t max_waiting = 1 << 20;
  uint64_t seed = 1;
};

LawRun RunSetting(const Setting& s) {
  Timeline timeline;
  std::vector<std::unique_ptr<FixedWorker>> workers;
  FixedPipeline pipeline(kToken);
  engine::LaneSpec lane;
  lane.model = "laws";
  lane.block_tokens = 16;
  for (int i = 0; i < s.workers; ++i) {
    workers.push_back(
        std::make_unique<FixedWorker>(Nanoseconds(std::llround(kService.as_double() / s.speed))));
    // One prompt a step, and none waits at a worker: one queue before all servers.
    lane.workers.push_back({.name = "worker",
                            .device = workers.back().get(),
                            .step_tokens = Tokens(kPrompt),
                            .backlog_tokens = Tokens(1)});
  }
  lane.units.push_back({.name = "unit",
                        .pipeline = &pipeline,
                        .memory = {{.capacity = Bytes(int64_t{1} << 40),
                                    .kv_per_page = Bytes(1),
                                    .page_tokens = Tokens(16)}},
                        .max_running = 1 << 20});
  lane.admission.max_waiting = {s.max_waiting, s.max_waiting, s.max_waiting};
  Workload workload;
  workload.arrivals.per_second = s.load * s.workers / ToSeconds(kService);
  workload.prompt.mean = kPrompt;
  workload.output.mean = s.output_tokens;
  workload.requests = s.requests;
  workload.seed = s.seed;
  const Trace trace = *Generate(workload);
  Area area(&timeline);
  ReplayOptions options;
  options.engine.max_sequences = 65536;
  options.observers = {&area};
  options.objectives.ttft = kService * 3;
  auto replay = Replay::Create(options, &timeline, {lane}, &trace);
  WL_CHECK(replay.ok());
  LawRun run;
  while ((*replay)->Advance(trace.span / 64)) {
    (*replay)->engine().CheckLaws();
    run.max_waiting =
        std::max(run.max_waiting, (*replay)->engine().Snapshot().lanes[0].waiting_total());
  }
  (*replay)->engine().CheckLaws();
  run.report = (*replay)->MakeReport({});
  run.area_seconds = area.seconds();
  return run;
}

std::string Text(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", value);
  return text;
}

LawResult Near(std::string law, double expected, double found, double within) {
  const bool holds = std::abs(found - expected) <= within * std::abs(expected);
  return {std::move(law), Text(expected) + " +- " + Text(100 * within) + " %", Text(found), holds};
}

LawResult Conservation(uint64_t seed) {
  const Report r =
      RunSetting({.load = 0.8, .output_tokens = 20, .requests = 20'000, .seed = seed}).report;
  const uint64_t ended =
      r.completed + r.failed + r.cancelled + r.deadline_missed + r.refused_total();
  return {"conservation: every request offered has one fate", std::to_string(r.requests),
          std::to_string(ended), ended == r.requests && r.completed > 0};
}

LawResult PartsAddUp(uint64_t seed) {
  const Report r =
      RunSetting({.load = 0.8, .output_tokens = 20, .requests = 20'000, .seed = seed}).report;
  const double parts =
      r.queue.sum_ns() + r.prefill.sum_ns() + r.transfer.sum_ns() + r.decode.sum_ns();
  return {"parts: queue + prefill + transfer + decode = end to end", Text(r.e2e.sum_ns()),
          Text(parts), parts == r.e2e.sum_ns()};
}

LawResult Little(uint64_t seed) {
  const LawRun run =
      RunSetting({.load = 0.7, .output_tokens = 30, .requests = 50'000, .seed = seed});
  const double by_law = run.report.e2e.sum_ns() * 1e-9;  // rate * time inside * length of the run
  return Near("Little: area under requests inside = sum of their times", by_law, run.area_seconds,
              1e-9);
}

// The wait is compared with that at the load that the drawn arrivals really had: near saturation a
// thousandth more load is half a percent more wait.
std::vector<LawResult> Queueing(int servers, double load, uint64_t seed) {
  const Report r =
      RunSetting({.workers = servers, .load = load, .requests = 1'000'000, .seed = seed}).report;
  double busy = 0;
  int workers = 0;
  for (const DeviceUse& device : r.devices) {
    if (device.kind != "prefill") continue;
    busy += device.busy_share;
    ++workers;
  }
  const std::string name = "M/D/" + std::to_string(servers) + " at load " + Text(load);
  const double wait = r.queue.mean_ns() / kService.as_double();
  return {Near(name + ": utilisation", load, busy / workers, 0.01),
          Near(name + ": mean wait in service times", MeanWaitMdc(servers, busy / workers), wait,
               0.01)};
}

LawResult Monotonic(uint64_t seed) {
  uint64_t before = 0;
  bool holds = true;
  std::string found;
  for (const double speed : {0.8, 1.0, 1.25, 1.6, 2.0, 4.0}) {
    const Report r =
        RunSetting({.load = 0.75, .requests = 50'000, .speed = speed, .seed = seed}).report;
    holds &= r.met_objectives >= before;
    before = r.met_objectives;
    found += (found.empty() ? "" : " ") + std::to_string(r.met_objectives);
  }
  return {"monotonicity: a faster worker never lowers goodput (first come, fixed service)",
          "rising", found, holds};
}

std::vector<LawResult> Overload(uint64_t seed) {
  const LawRun run = RunSetting({.load = 2, .requests = 50'000, .max_waiting = 100, .seed = seed});
  const double rate = static_cast<double>(run.report.completed) / run.report.seconds();
  return {{"overload: the queue keeps its bound", "<= 100", std::to_string(run.max_waiting),
           run.max_waiting <= 100},
          Near("overload: what is served is the capacity", 1 / ToSeconds(kService), rate, 0.01),
          Near("overload: the rest is refused", 0.5,
               static_cast<double>(run.report.refused_total()) /
                   static_cast<double>(run.report.requests),
               0.02)};
}

LawResult Repeats(uint64_t seed) {
  const Setting setting{.load = 0.8, .output_tokens = 10, .requests = 5'000, .seed = seed};
  const uint64_t a = RunSetting(setting).report.digest;
  const uint64_t b = RunSetting(setting).report.digest;
  Setting other = setting;
  ++other.seed;
  const uint64_t c = RunSetting(other).report.digest;
  return {"determinism: a seed repeats its digest, another one does not", std::to_string(a),
          std::to_string(b), a == b && a != c};
}

}  // namespace

double MeanWaitMdc(int servers, double load) {
  const double c = servers;
  const double a = c * load;
  double wait = 0;
  for (int i = 1; i < 10'000; ++i) {
    // Poisson(ia) tails from ic on; computed from the term at ic upwards, in logarithms.
    const double mean = i * a;
    const double n = i * c;
    double term = std::exp(n * std::log(mean) - mean - std::lgamma(n + 1));
    double tail = 0;
    double tail_next = 0;
    for (double j = n; term > 1e-18 * (1 + tail) || j < mean; j += 1) {
      tail += term;
      if (j > n) tail_next += term;
      term *= mean / (j + 1);
    }
    const double part = tail - c / a * tail_next;
    wait += part;
    if (std::abs(part) < 1e-12) break;
  }
  return wait;
}

std::vector<LawResult> CheckAllLaws(uint64_t seed,
                                    const std::function<void(const LawResult&)>& report) {
  std::vector<LawResult> results;
  const auto add = [&](LawResult result) {
    if (report) report(result);
    results.push_back(std::move(result));
  };
  const auto add_all = [&](std::vector<LawResult> some) {
    for (LawResult& result : some) add(std::move(result));
  };
  add(Conservation(seed));
  add(PartsAddUp(seed));
  add(Little(seed));
  add_all(Queueing(1, 0.6, seed));
  add_all(Queueing(4, 0.8, seed));
  add(Monotonic(seed));
  add_all(Overload(seed));
  add(Repeats(seed));
  return results;
}

}  // namespace waferline::simulator
