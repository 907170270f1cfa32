// What requests are charged of the devices' time and energy.
#include <catch2/catch.hpp>

#include "scheduler/engine/device_meter.h"
#include "scheduler/simulator/generated_trace.h"
#include "scheduler/simulator/replay.h"
#include "tests/unit/scheduler/engine/small_cloud.h"

namespace waferline::simulator {
namespace {

using engine::CloudShape;
using engine::Fault;
using engine::SmallCloud;

constexpr int kWafers = 3;
constexpr int64_t kWaferMilliwatts = 45'000'007;
constexpr int kAccelerators = 2;
constexpr int64_t kAcceleratorMilliwatts = 1'399'999;

void SetDevices(SmallCloud* cloud) {
  for (engine::PrefillWorkerSpec& worker : cloud->lane.workers) {
    worker.devices = kAccelerators;
    worker.milliwatts = kAcceleratorMilliwatts;
  }
  for (engine::DecodeUnitSpec& unit : cloud->lane.units) {
    const bool wafer = unit.pipeline != nullptr;
    unit.devices = wafer ? kWafers : kAccelerators;
    unit.milliwatts = wafer ? kWaferMilliwatts : kAcceleratorMilliwatts;
  }
}

// Sums what the outcomes say.
struct Charges : engine::EngineObserver {
  void OnOutcome(const engine::OutcomeInfo& info) override {
    const ComputeUse& use = info.outcome->compute;
    REQUIRE((use.wafer_ns >= 0 && use.accelerator_ns >= 0 && use.microjoules >= 0));
    sum.wafer_ns += use.wafer_ns;
    sum.accelerator_ns += use.accelerator_ns;
    sum.microjoules += use.microjoules;
    restarts += info.restarts;
  }
  ComputeUse sum;
  uint64_t restarts = 0;
};

TEST_CASE("one request occupies the entry once a token, and its worker for its prompt") {
  SmallCloud cloud;
  SetDevices(&cloud);
  cloud.Build();
  const auto sink = cloud.Ask(100, 5);
  cloud.Run();
  REQUIRE(sink->ended);
  // 100 prompt tokens of 1 us on two accelerators; tokens 1 to 4 as beats through stages of two
  // layers, 20 us each, on three wafers.
  CHECK(sink->outcome.compute.accelerator_ns == 100'000 * kAccelerators);
  CHECK(sink->outcome.compute.wafer_ns == 4 * 20'000 * kWafers);
  // 100 us at 1,399.999 W and 80 us at 45,000.007 W, each rounded down to a microjoule.
  CHECK(sink->outcome.compute.microjoules == 139'999 + 3'600'000);
}

TEST_CASE("what requests are charged and what is idle is each device's whole time") {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SmallCloud cloud(CloudShape{.workers = 2,
                                .units = 2,
                                .gpus = static_cast<int>(seed % 3),
                                .max_running = 6,
                                .pages = 80,
                                .per_layer = Microseconds(40)});
    SetDevices(&cloud);
    if (seed % 4 == 0) {
      cloud.lane.speculation = {.acceptance = {0.8, 0.6}, .draft_time = Microseconds(3)};
    }
    if (seed % 4 == 1) cloud.lane.preempt = true;
    Workload workload;
    workload.arrivals = *ParseArrivals("poisson:rate=900");
    workload.prompt = *ParseLengths("lognormal:mean=60,sigma=1,max=300");
    workload.output = *ParseLengths("exponential:mean=20,max=100");
    workload.requests = 250;
    workload.seed = seed;
    const Trace trace = *Generate(workload);
    Charges charges;
    ReplayOptions options;
    options.engine.max_sequences = 2048;
    options.observers = {&charges};
    options.faults = {{Milliseconds(40), {Fault::Kind::kUnitLost, {0}, {0}}},
                      {Milliseconds(60), {Fault::Kind::kUnitBack, {0}, {0}}},
                      {Milliseconds(90), {Fault::Kind::kWorkerLost, {0}, {1}}},
                      {Milliseconds(110), {Fault::Kind::kWorkerBack, {0}, {1}}},
                      {Milliseconds(130), {Fault::Kind::kUnitSpeed, {0}, {1}, 1.7}}};
    auto replay = Replay::Create(options, &cloud.timeline, {cloud.lane}, &trace);
    INFO(seed << ": " << replay.status().message());
    REQUIRE(replay.ok());
    while ((*replay)->Advance(Milliseconds(3))) {
    }
    const Report report = (*replay)->MakeReport({});
    REQUIRE(charges.restarts > 0);

    ComputeUse sum;
    for (const DeviceUse& device : report.devices) {
      if (device.kind == "link") continue;
      INFO(device.name);
      const bool wafer = device.kind == "wafer";
      REQUIRE(device.charged_ns > 0);
      REQUIRE(device.idle_ns >= 0);  // nothing is charged twice
      REQUIRE(device.charged_ns + device.idle_ns ==
              (report.end - report.begin).count() * device.devices);
      (wafer ? sum.wafer_ns : sum.accelerator_ns) += device.charged_ns;
      // Energy is not lost by rounding either: a microjoule a device at most is still to come.
      const int64_t watts = wafer ? kWaferMilliwatts : kAcceleratorMilliwatts;
      const int64_t occupied_ns = device.charged_ns / device.devices;
      sum.microjoules +=
          occupied_ns / 1'000'000 * watts + occupied_ns % 1'000'000 * watts / 1'000'000;
    }
    CHECK(charges.sum.wafer_ns == sum.wafer_ns);
    CHECK(charges.sum.accelerator_ns == sum.accelerator_ns);
    CHECK(charges.sum.microjoules == sum.microjoules);
    CHECK(report.compute.wafer_ns == sum.wafer_ns);
  }
}

TEST_CASE("a step's shares sum to it, in proportion") {
  SeededStream random(3);
  for (int round = 0; round < 2000; ++round) {
    const int64_t step = static_cast<int64_t>(random.Next() % 10'000'000'000);
    std::vector<int64_t> weights(1 + random.Next() % 30);
    int64_t total = 0;
    for (int64_t& weight : weights) total += weight = static_cast<int64_t>(random.Next() % 9000);
    if (total == 0) continue;
    engine::StepShares shares(Nanoseconds(step), total);
    int64_t sum = 0;
    for (const int64_t weight : weights) {
      const int64_t share = shares.Next(weight).count();
      const double exact =
          static_cast<double>(step) * static_cast<double>(weight) / static_cast<double>(total);
      REQUIRE(std::abs(static_cast<double>(share) - exact) < 1.001);
      sum += share;
    }
    REQUIRE(sum == step);
  }
}

}  // namespace
}  // namespace waferline::simulator
