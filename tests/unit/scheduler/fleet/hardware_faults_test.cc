#include "scheduler/fleet/hardware_faults.h"

#include <catch2/catch.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "scheduler/simulator/generated_trace.h"
#include "scheduler/simulator/offline_cloud.h"
#include "scheduler/simulator/replay.h"

namespace waferline::fleet {
namespace {

// One 70B on four wafers, prompts and answers all alike, one after the other.
std::string Fleet(const std::string& faults) {
  return absl::StrCat(R"(
models:
  - name: chat
    shape: llama-3.1-70b
    context: 8192
    prefill: {hardware: h100, workers: 1, devices_per_worker: 4}
    decode: [{name: wafer, hardware: wse-3, profile: vendor-2024}]
)",
                      faults);
}

struct Outcome {
  simulator::Report report;
  double seconds = 0;
  uint64_t restarts = 0;
};

Outcome Run(const std::string& faults) {
  const auto config = fleet::ParseFleetConfig("fleet.yaml", Fleet(faults));
  INFO(config.status().message());
  REQUIRE(config.ok());
  const auto cloud = simulator::OfflineCloud::Build(*config);
  INFO(cloud.status().message());
  REQUIRE(cloud.ok());
  simulator::Workload workload;
  workload.arrivals.per_second = 1000;  // all at once, within the pipeline's depth
  workload.prompt = *simulator::ParseLengths("constant:500");
  workload.output = *simulator::ParseLengths("constant:2000");
  workload.requests = 8;
  const simulator::Trace trace = *simulator::Generate(workload);
  auto run = simulator::Replay::Create((*cloud)->Options(), (*cloud)->timeline(), (*cloud)->Lanes(),
                                       &trace);
  INFO(run.status().message());
  REQUIRE(run.ok());
  while ((*run)->Advance(Milliseconds(100))) (*run)->engine().CheckLaws();
  Outcome outcome{(*run)->MakeReport((*cloud)->Power())};
  outcome.seconds = outcome.report.seconds();
  for (const uint64_t of_cause : outcome.report.restarts) outcome.restarts += of_cause;
  REQUIRE(outcome.report.completed == 8);
  return outcome;
}

TEST_CASE("hardware faults change what the emulator does, as their cost says") {
  const Outcome healthy = Run("");
  REQUIRE(healthy.restarts == 0);
  REQUIRE(healthy.seconds > 3.5);

  // A cap that leaves 80 % of the clock: everything on the wafers takes 1.25 times as long, what is
  // between them does not.
  const Outcome capped =
      Run("faults: [{at_s: 0, fault: power_cap, watts: 12900}]  # idle 4,500 + 0.8 * 10,500\n");
  REQUIRE(capped.restarts == 0);
  REQUIRE(capped.seconds / healthy.seconds == Approx(1.25).epsilon(0.03));

  const Outcome hot = Run("faults: [{at_s: 0, fault: thermal, place: 1, clock_share: 0.5}]\n");
  REQUIRE(hot.restarts == 0);
  REQUIRE(hot.seconds / healthy.seconds == Approx(1.25).epsilon(0.05));  // one wafer of four

  const Outcome linkless = Run("faults: [{at_s: 0, fault: off_wafer_link, links: 11}]\n");
  REQUIRE(linkless.restarts == 0);
  REQUIRE(linkless.seconds > healthy.seconds);
  REQUIRE(linkless.seconds < 1.01 * healthy.seconds);

  // A spare steps in: about a second of standing still and a new prefill, then hardly slower. The
  // answers' first second is computed again.
  const Outcome core = Run("faults: [{at_s: 1, fault: core, place: 2}]\n");
  REQUIRE(core.restarts == 8);
  REQUIRE(core.seconds > healthy.seconds + 1.1);
  REQUIRE(core.seconds < healthy.seconds + 2.5);

  // A spare wafer's weights come over its links first.
  const Outcome wafer = Run("faults: [{at_s: 1, fault: wafer, place: 0}]\n");
  REQUIRE(wafer.restarts == 8);
  REQUIRE(wafer.seconds > core.seconds + 0.1);
}

TEST_CASE("several faults of a unit add up: the lowest clock, all links, every repair") {
  const auto seconds = [](const std::string& faults) { return Run("faults: [" + faults).seconds; };
  const std::string cap = "{at_s: 0, fault: power_cap, watts: 12900}";
  const double capped = seconds(cap + "]\n");
  // A wafer that is hot below the cap slows more, one above it does not.
  const double hot = seconds(cap + ", {at_s: 0, fault: thermal, place: 1, clock_share: 0.5}]\n");
  const double warm = seconds(cap + ", {at_s: 0, fault: thermal, place: 1, clock_share: 0.9}]\n");
  CHECK(hot > 1.1 * capped);
  CHECK(warm == Approx(capped).epsilon(1e-6));
  // In either order.
  CHECK(seconds("{at_s: 0, fault: thermal, place: 1, clock_share: 0.5}, " + cap + "]\n") ==
        Approx(hot).epsilon(1e-6));
  // A repair keeps what slowed before it; setting a speed ends all that.
  const double core = seconds("{at_s: 1, fault: core, place: 2}]\n");
  CHECK(seconds(cap + ", {at_s: 1, fault: core, place: 2}]\n") > core + 0.5);
  const double cooled = seconds(cap +
                                ", {at_s: 0, fault: unit_slow, factor: 1}, "
                                "{at_s: 0, fault: thermal, place: 1, clock_share: 0.9}]\n");
  CHECK(cooled < capped - 0.3);
}

TEST_CASE("links that fail stop a pass for as long as failing over takes") {
  placement::FaultCost link{.slowdown = 1.001, .detect_seconds = 0.01, .user_before = 400};
  const FaultEffect effect = EffectOf(link, {0}, {0});
  REQUIRE(effect.changes.size() == 2);
  CHECK(effect.changes[0].after == Nanoseconds());
  CHECK(effect.changes[0].fault.factor == Approx(1.001 * 5));  // 2.5 ms and 10 ms
  CHECK(effect.changes[1].after == Milliseconds(10));
  CHECK(effect.changes[1].fault.factor == 1.001);
}

TEST_CASE("what only slows keeps KV; what is lost comes back when it is loaded, or never") {
  placement::FaultCost slow{.slowdown = 1.5};
  const FaultEffect throttled = EffectOf(slow, {2}, {3});
  REQUIRE(throttled.changes.size() == 1);
  REQUIRE(throttled.changes[0].fault.kind == engine::Fault::Kind::kUnitSpeed);
  REQUIRE(throttled.changes[0].fault.lane.value == 2);
  REQUIRE(throttled.changes[0].fault.index.value == 3);
  REQUIRE(throttled.changes[0].fault.factor == 1.5);
  placement::FaultCost lost{.slowdown = 1.01,
                            .detect_seconds = 0.1,
                            .reconfigure_seconds = 1,
                            .reload_seconds = 0.25,
                            .kv_bytes_lost = 5};
  const FaultEffect back = EffectOf(lost, {0}, {0});
  REQUIRE(back.changes.size() == 3);
  REQUIRE(back.changes[0].fault.kind == engine::Fault::Kind::kUnitLost);
  REQUIRE(back.changes[0].after == Nanoseconds());
  REQUIRE(back.changes[2].fault.kind == engine::Fault::Kind::kUnitBack);
  REQUIRE(back.changes[2].after == Milliseconds(1350));
  lost.serving = false;
  REQUIRE(EffectOf(lost, {0}, {0}).changes.size() == 1);
}

TEST_CASE("hardware faults that make no sense are refused by name") {
  const auto said = [](const std::string& faults) {
    const auto config = fleet::ParseFleetConfig("fleet.yaml", Fleet(faults));
    if (!config.ok()) return std::string(config.status().message());
    return std::string(simulator::OfflineCloud::Build(*config).status().message());
  };
  REQUIRE(said("faults: [{at_s: 0, fault: power_cap}]").find("watts: is missing") !=
          std::string::npos);
  REQUIRE(said("faults: [{at_s: 0, fault: power_cap, watts: 100}]").find("give at least") !=
          std::string::npos);
  REQUIRE(said("faults: [{at_s: 0, fault: core, watts: 5}]").find("watts: has no meaning") !=
          std::string::npos);
  REQUIRE(said("faults: [{at_s: 0, fault: wafer, place: 9}]").find("place is 9") !=
          std::string::npos);
  REQUIRE(
      said("faults: [{at_s: 0, fault: core, index: 7}]").find("unit index 7 out of range [0, 1)") !=
      std::string::npos);
  REQUIRE(said("faults: [{at_s: 0, fault: link}]").find("off_wafer_link") != std::string::npos);
}

}  // namespace
}  // namespace waferline::fleet
