#include <catch2/catch.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "scheduler/simulator/generated_trace.h"
#include "scheduler/simulator/offline_cloud.h"
#include "scheduler/simulator/replay.h"

namespace waferline::simulator {
namespace {

constexpr const char* kSplit =
    "{name: split, kind: split, attention: {hardware: h200, devices: 2}, "
    "ffn: {hardware: wse-3, profile: vendor-2024}, link: {bytes_per_second: 2.0e+9}, "
    "micro_batches: 4, max_running: 16}";

std::string Fleet(const std::string& decode, const std::string& faults = "") {
  return absl::StrCat(
      "models:\n  - name: chat\n    shape: llama-3.1-70b\n    context: 8192\n"
      "    prefill: {hardware: h100, workers: 2, devices_per_worker: 4}\n    decode: [",
      decode, "]\nfaults: [", faults, "]\n");
}

absl::StatusOr<Report> Run(const std::string& yaml) {
  const auto config = fleet::ParseFleetConfig("fleet.yaml", yaml);
  if (!config.ok()) return config.status();
  const auto cloud = OfflineCloud::Build(*config);
  if (!cloud.ok()) return cloud.status();
  Workload workload;
  workload.arrivals.per_second = 4;
  workload.prompt = *ParseLengths("exponential:mean=300,max=2000");
  workload.output = *ParseLengths("exponential:mean=100,max=500");
  workload.requests = 200;
  const Trace trace = *Generate(workload);
  auto run = Replay::Create((*cloud)->Options(), (*cloud)->timeline(), (*cloud)->Lanes(), &trace);
  if (!run.ok()) return run.status();
  while ((*run)->Advance(Milliseconds(500))) (*run)->engine().CheckLaws();
  return (*run)->MakeReport((*cloud)->Power());
}

Report Good(const std::string& yaml) {
  auto report = Run(yaml);
  INFO(report.status().message());
  REQUIRE(report.ok());
  return *std::move(report);
}

const DeviceUse& Unit(const Report& report) {
  for (const DeviceUse& device : report.devices) {
    if (device.kind == "split") return device;
  }
  FAIL("no split unit");
  return report.devices.front();
}

TEST_CASE("a split unit serves, and its report says what each side did") {
  const Report report = Good(Fleet(kSplit));
  REQUIRE(report.completed == 200);
  const DeviceUse& unit = Unit(report);
  REQUIRE(unit.side_share.size() == 3);
  for (const double share : unit.side_share) {
    CHECK(share > 0);
    CHECK(share < unit.busy_share);
  }
  // Every token that a step computed crossed twice a layer, in two bytes a value.
  CHECK(unit.bytes == static_cast<double>(unit.tokens) * 80 * 8192 * 4);
  CHECK(unit.devices == 2 + 3);
  CHECK(unit.power.watts_busy == 2 * 700 + 3 * 15000);
  CHECK(unit.power.usd_per_hour == 2 * 3 + 3 * 42);
  CHECK(unit.charged_ns + unit.idle_ns == (report.end - report.begin).count() * 5);
  // Three of the unit's five devices are wafers.
  CHECK(report.compute.wafer_ns == unit.charged_ns / 5 * 3);
  CHECK(Good(Fleet(kSplit)).digest == report.digest);
}

TEST_CASE("both sides lease what they own: KV on one, weights alone on the other") {
  const auto config = fleet::ParseFleetConfig("fleet.yaml", Fleet(kSplit));
  REQUIRE(config.ok());
  const auto cloud = OfflineCloud::Build(*config);
  REQUIRE(cloud.ok());
  const std::vector<ShardMemory> memory = (*cloud)->Lanes()[0].units[0].memory;
  REQUIRE(memory.size() == 1 + 3);
  int64_t weights = 0;
  for (size_t i = 0; i < memory.size(); ++i) {
    weights += memory[i].weights.count();
    CHECK((memory[i].kv_per_page > Bytes()) == (i == 0));
    CHECK(memory[i].weights <= memory[i].capacity);
  }
  CHECK(static_cast<double>(weights) == Approx(141.1e9).epsilon(0.002));
  CHECK(memory[0].kv_per_page.count() == 64 * 327'680);
}

TEST_CASE("faults of a side and of the links slow the unit; a repair ends them") {
  const double healthy = Good(Fleet(kSplit)).tpot.mean_ns();
  const auto slow = [&](const std::string& fault) {
    return Good(Fleet(kSplit, fault)).tpot.mean_ns() / healthy;
  };
  CHECK(slow("{at_s: 0, fault: attention_side, factor: 3}") > 1.2);
  CHECK(slow("{at_s: 0, fault: ffn_side, factor: 50}") > 1.2);
  CHECK(slow("{at_s: 0, fault: off_wafer_link, links: 11}") > 1.01);
  CHECK(slow("{at_s: 0, fault: attention_side, factor: 1}") == 1);
  CHECK(
      slow("{at_s: 0, fault: off_wafer_link, links: 11}, {at_s: 0, fault: unit_slow, factor: 1}") ==
      1);
  const Report lost =
      Good(Fleet(kSplit, "{at_s: 5, fault: unit_lost}, {at_s: 6, fault: unit_back}"));
  // What came while there was no unit was refused; what was there was prefilled again.
  CHECK(lost.completed + lost.refused_total() == 200);
  CHECK(lost.completed > 190);
  CHECK(lost.restarts[static_cast<size_t>(engine::RestartCause::kUnitLost)] > 0);
}

TEST_CASE("what a split cannot be is refused by name") {
  const auto message = [](const std::string& yaml) {
    return std::string(Run(yaml).status().message());
  };
  const auto has = [&](const std::string& yaml, const std::string& part) {
    INFO(message(yaml));
    CHECK(message(yaml).find(part) != std::string::npos);
  };
  const std::string ffn = "ffn: {hardware: wse-3, profile: vendor-2024}}";
  has(Fleet("{kind: split, attention: {hardware: h200}}"), "ffn");
  has(Fleet("{kind: halves}"), "whole");
  has(Fleet("{kind: split, hardware: h200, attention: {hardware: h200}, " + ffn), "hardware");
  has(Fleet("{kind: split, micro_batches: 0, attention: {hardware: h200}, " + ffn),
      "micro_batches");
  has(Fleet("{kind: split, attention: {hardware: h200, wafers: 2}, " + ffn),
      "attention: profile and wafers have no effect on accelerators");
  has(Fleet("{kind: split, attention: {hardware: h2000}, " + ffn), "attention: ");
  has(Fleet("{kind: split, attention: {hardware: h200}, "
            "ffn: {hardware: wse-3, profile: vendor-2024, devices: 3}}"),
      "ffn: devices has no effect on wafers");
  has(Fleet("{kind: split, attention: {hardware: h200}, "
            "ffn: {hardware: h100, devices: 1}}"),
      "ffn: h100: weights 112.7 GB");
  has(Fleet(kSplit, "{at_s: 0, fault: off_wafer_link, links: 12}"), "12 of 12 links");
  has(Fleet(kSplit, "{at_s: 0, fault: thermal, clock_share: 0.5}"), "is split (h200 + wse-3)");
  has(Fleet(kSplit, "{at_s: 0, fault: ffn_side}"), "factor: is missing");
  has(Fleet("{hardware: h200, devices_per_unit: 2}", "{at_s: 0, fault: ffn_side, factor: 2}"),
      "is not split");
}

}  // namespace
}  // namespace waferline::simulator
