#include "scheduler/search/trial.h"

#include <catch2/catch.hpp>

#include "scheduler/simulator/generated_trace.h"

namespace waferline::search {
namespace {

constexpr const char* kFleet = R"(
models:
  - name: chat
    shape: llama-3.1-8b
    context: 8192
    prefill: {hardware: h100, workers: 2, devices_per_worker: 4}
    decode:
      - {name: wafer, hardware: wse-3, profile: vendor-2024, units: 3, wafers_per_unit: 2}
      - {name: gpu, hardware: h100, devices_per_unit: 2}
)";

simulator::Trace MakeTrace() {
  simulator::Workload workload;
  workload.arrivals.per_second = 40;
  workload.prompt = *simulator::ParseLengths("lognormal:mean=500,sigma=1,max=4000");
  workload.output = *simulator::ParseLengths("exponential:mean=100,max=2000");
  workload.requests = 400;
  return *simulator::Generate(workload);
}

double NoClock() { return 0; }

TEST_CASE("a fleet's size counts its wafers and accelerators") {
  const auto size = SizeOf("fleet.yaml", kFleet);
  INFO(size.status().message());
  REQUIRE(size.ok());
  REQUIRE(size->systems == 2 * 4 + 3 * 2 + 2);
  // deploy/hardware: 42 $ a system-hour, 2.5 $ an accelerator-hour; 15 kW, 700 W.
  REQUIRE(size->usd_per_hour == Approx(6 * 42 + 10 * 2.5));
  REQUIRE(size->watts > 6 * 15000);
}

TEST_CASE("a trial judges a run by its requests, stops a hopeless one, and survives JSON") {
  const simulator::Trace trace = MakeTrace();
  const Slo loose = *ParseSlo("ttft:p99<60s,tpot:p99<1s"),
            tight = *ParseSlo("ttft:p99<60s,tpot:p50<1us");
  TrialInput input{{.config_name = "fleet.yaml", .config = kFleet, .trace = &trace}, &loose};
  const auto good = RunTrial(input, NoClock);
  INFO(good.status().message());
  REQUIRE(good.ok());
  REQUIRE(good->holds);
  REQUIRE(!good->stopped);
  REQUIRE(good->offered == 400);
  REQUIRE(good->terms[0].late == 0);
  REQUIRE(good->terms[0].figure_ms > 0);
  REQUIRE(good->mean_watts > 0);
  REQUIRE(good->devices.front().share >= good->devices.back().share);

  input.slo = &tight;
  const auto bad = RunTrial(input, NoClock);
  REQUIRE(bad.ok());
  REQUIRE(!bad->holds);
  REQUIRE(bad->stopped);
  REQUIRE(bad->terms[1].late > 200);
  REQUIRE(bad->terms[1].by_speed);
  REQUIRE(!bad->too_small());  // no request is that fast, on any number of devices
  input.to_the_end = true;
  const auto whole = RunTrial(input, NoClock);
  REQUIRE(!whole->stopped);
  REQUIRE(whole->completed_per_second == Approx(good->completed_per_second));

  const auto back = TrialFromJson(ToJson(*bad), 2);
  REQUIRE(back.has_value());
  REQUIRE(ToJson(*back) == ToJson(*bad));
  REQUIRE(!TrialFromJson(ToJson(*bad), 3));
  REQUIRE(!TrialFromJson({{"offered", "many"}}, 2));
}

}  // namespace
}  // namespace waferline::search
