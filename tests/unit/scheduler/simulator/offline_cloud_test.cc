#include "scheduler/simulator/offline_cloud.h"

#include <catch2/catch.hpp>
#include <string>

#include "scheduler/simulator/generated_trace.h"
#include "scheduler/simulator/replay.h"
#include "wafer_backend/base/yaml_overrides.h"

namespace waferline::simulator {
namespace {

constexpr const char* kFleet = R"(
max_sequences: 512
idle_power_share: 0.25
models:
  - name: chat
    shape: llama-3.1-8b
    context: 8192
    prefill: {hardware: h100, workers: 2, cache_tokens: 100000}
    decode:
      - {name: wafer, hardware: wse-3, profile: vendor-2024}
      - {name: gpu, hardware: h100, devices_per_unit: 2, max_running: 32}
    scheduling:
      overlap: layer
      draft: [{acceptance: 0.8}, {acceptance: 0.5}]
      draft_time_us: 20
faults:
  - {at_s: 1, fault: worker_lost, index: 1}
  - {at_s: 2, fault: worker_back, index: 1}
  - {at_s: 3, fault: unit_slow, index: 0, factor: 1.5}
)";

bool Has(const absl::Status& status, const std::string& part) {
  INFO(status.message());
  return std::string(status.message()).find(part) != std::string::npos;
}

TEST_CASE("a fleet file becomes devices, and a load runs through them") {
  const auto config = fleet::ParseFleetConfig("fleet.yaml", kFleet);
  INFO(config.status().message());
  REQUIRE(config.ok());
  REQUIRE(config->faults.size() == 3);
  REQUIRE(config->models[0].scheduling.speculation.acceptance.size() == 2);
  const auto cloud = OfflineCloud::Build(*config);
  INFO(cloud.status().message());
  REQUIRE(cloud.ok());
  const auto lanes = (*cloud)->Lanes();
  REQUIRE(lanes[0].units.size() == 2);
  REQUIRE(lanes[0].context == 8192);

  simulator::Workload workload;
  workload.arrivals.per_second = 50;
  workload.prompt = *simulator::ParseLengths("lognormal:mean=500,sigma=1,max=4000");
  workload.output = *simulator::ParseLengths("exponential:mean=100,max=2000");
  workload.requests = 500;
  const Trace trace = *simulator::Generate(workload);
  auto run = Replay::Create((*cloud)->Options(), (*cloud)->timeline(), lanes, &trace);
  INFO(run.status().message());
  REQUIRE(run.ok());
  while ((*run)->Advance(Milliseconds(200))) (*run)->engine().CheckLaws();
  const simulator::Report report = (*run)->MakeReport((*cloud)->Power());
  REQUIRE(report.completed == 500);
  REQUIRE(report.energy_joules() > 0);
  REQUIRE(report.cost_usd() > 0);
  // Two accelerators prefill, one wafer and two accelerators decode, for as long as the run took.
  const double watts_most = 2 * 700 + 15000 + 2 * 700;
  REQUIRE(report.energy_joules() <= watts_most * 1.3 * report.seconds());
  REQUIRE(report.energy_joules() >= 0.25 * watts_most * 0.7 * report.seconds());
}

// Of a load that meets this fault at once; an error says why there can be none.
absl::StatusOr<simulator::Report> RunWith(const std::string& fault, double per_second) {
  std::string yaml(kFleet);
  yaml.resize(yaml.find("    scheduling:"));
  const auto config = fleet::ParseFleetConfig("fleet.yaml", yaml + "faults: [" + fault + "]\n");
  if (!config.ok()) return config.status();
  const auto cloud = OfflineCloud::Build(*config);
  if (!cloud.ok()) return cloud.status();
  simulator::Workload workload;
  workload.arrivals.per_second = per_second;
  workload.prompt = *simulator::ParseLengths("constant:20");
  workload.output = *simulator::ParseLengths("constant:500");
  workload.requests = 1000;
  const Trace trace = *simulator::Generate(workload);
  auto run = Replay::Create((*cloud)->Options(), (*cloud)->timeline(), (*cloud)->Lanes(), &trace);
  if (!run.ok()) return run.status();
  while ((*run)->Advance(Seconds(1))) {
  }
  return (*run)->MakeReport({});
}

TEST_CASE("a slow stage costs a token its own part, and the unit its throughput") {
  const auto tpot = [](const std::string& fault, double per_second) {
    const auto report = RunWith(fault, per_second);
    INFO(report.status().message());
    REQUIRE(report.ok());
    return report->tpot.mean_ns();
  };
  const std::string slow = "{at_s: 0, fault: stage_slow, index: 0, stage: 1, factor: 10}";
  const std::string none = "{at_s: 0, fault: stage_slow, index: 0, stage: 1, factor: 1}";
  const double healthy = tpot(none, 1);
  const double alone = tpot(slow, 1);
  REQUIRE(alone > 1.05 * healthy);
  REQUIRE(alone < 2 * healthy);  // far from ten times
  // So many at once that the slowest stage is what they wait for.
  REQUIRE(tpot(slow, 1000) > 2.5 * tpot(none, 1000));

  const auto refused = [](const std::string& fault) { return RunWith(fault, 1).status(); };
  REQUIRE(Has(refused("{at_s: 0, fault: stage_slow, factor: 2}"), "stage: is missing"));
  REQUIRE(
      Has(refused("{at_s: 0, fault: unit_slow, stage: 1, factor: 2}"), "stage: has no meaning"));
  REQUIRE(Has(refused("{at_s: 0, fault: stage_slow, stage: 999, factor: 2}"), "out of range"));
  REQUIRE(
      Has(refused("{at_s: 0, fault: stage_slow, index: 1, stage: 0, factor: 2}"), "has no stages"));
}

TEST_CASE("all faults of a fleet file come at once, with their lines") {
  const auto config = fleet::ParseFleetConfig("fleet.yaml", R"(
models:
  - name: chat
    shape: llama-3.1-8b
    prefill: {hardware: h100, worker: 2}
    decode: [{hardware: wse-3}]
faults:
  - {at_s: -1, fault: unit_lost}
  - {at_s: 1, fault: unit_gone}
  - {at_s: 1, fault: unit_lost, factor: 3}
  - {at_s: 1, fault: unit_lost, model: other}
clocks: {stepped: true}
)");
  REQUIRE(!config.ok());
  for (const char* part : {"fleet.yaml:5", "worker", "at_s", "unit_gone", "factor",
                           "must be one of: chat", "clocks"}) {
    REQUIRE(Has(config.status(), part));
  }
}

TEST_CASE("a server's file is a fleet's, and what has no effect offline is named") {
  const std::string server = std::string(R"(
listen: {http_port: 0}
clock: {kind: stepped}
api_keys: [{key: k, tenant: t}]
limits: {max_sequences: 99, mailbox: 7}
models:
  - name: chat
    shape: llama-3.1-8b
    prefill: {hardware: h100}
    decode: [{hardware: wse-3, profile: vendor-2024}]
    tokens: {from: shards, file: ../models/demo.gguf, shards: 2}
  - name: other
    shape: llama-3.1-8b
    context: 4096
    prefill: {hardware: h100}
    decode: [{hardware: wse-3, profile: vendor-2024}]
    tokens: {from: cheap, file: absent.gguf}
)");
  const std::string name = std::string(WAFERLINE_SOURCE_DIR) + "/deploy/config/server.yaml";
  const auto config = fleet::ParseFleetConfig(name, server);
  INFO(config.status().message());
  REQUIRE(config.ok());
  REQUIRE(config->not_simulated == std::vector<std::string>{"models[0].tokens", "models[1].tokens",
                                                            "listen", "clock", "limits",
                                                            "api_keys"});
  REQUIRE(config->max_sequences == 99);
  const auto cloud = OfflineCloud::Build(*config);
  INFO(cloud.status().message());
  REQUIRE(cloud.ok());
  REQUIRE((*cloud)->Lanes()[0].context == 1024);  // as the file of its tokens says
  REQUIRE((*cloud)->Lanes()[1].context == 4096);

  const auto unknown = fleet::ParseFleetConfig(name, server + "listens: {}\n");
  REQUIRE(Has(unknown.status(), "server.yaml:18: listens: is not known here"));
  REQUIRE(fleet::ParseFleetConfig("fleet.yaml", kFleet)->not_simulated.empty());
}

TEST_CASE("requests that name no model are for the first one, or for the one that is named") {
  std::string fleet_text = kFleet;
  fleet_text = fleet_text.substr(0, fleet_text.find("faults:"));
  std::string second = fleet_text.substr(fleet_text.find("  - name: chat"));
  second.replace(second.find("chat"), 4, "code");
  fleet_text += second;
  const auto config = fleet::ParseFleetConfig("fleet.yaml", fleet_text);
  INFO(config.status().message());
  REQUIRE(config.ok());
  Workload workload;
  workload.requests = 20;
  const Trace trace = *Generate(workload);
  const auto tokens = [&](const std::string& model) -> absl::StatusOr<std::vector<uint64_t>> {
    const auto cloud = OfflineCloud::Build(*config);
    ReplayOptions options = (*cloud)->Options();
    options.default_model = model;
    auto run = Replay::Create(options, (*cloud)->timeline(), (*cloud)->Lanes(), &trace);
    if (!run.ok()) return run.status();
    while ((*run)->Advance(Seconds(1))) continue;
    std::vector<uint64_t> prefilled(2);
    for (const DeviceUse& device : (*run)->MakeReport((*cloud)->Power()).devices) {
      if (device.kind == "prefill") prefilled[device.model == "code"] += device.tokens;
    }
    return prefilled;
  };
  REQUIRE((*tokens(""))[0] > 0);
  REQUIRE((*tokens(""))[1] == 0);
  REQUIRE((*tokens("code"))[0] == 0);
  REQUIRE((*tokens("code"))[1] == (*tokens("chat"))[0]);
  REQUIRE(Has(tokens("gone").status(), "\"gone\" must be one of the fleet's: chat, code"));
}

TEST_CASE("fields are replaced by path, and a path to nowhere is an error") {
  const auto text =
      WithOverrides(kFleet, {{"models.0.prefill.workers", "7"}, {"models.0.link.latency_us", "3"}});
  REQUIRE(text.ok());
  const auto config = fleet::ParseFleetConfig("fleet.yaml", *text);
  INFO(config.status().message());
  REQUIRE(config.ok());
  REQUIRE(config->models[0].prefill.workers == 7);
  REQUIRE(config->models[0].link.latency == Microseconds(3));
  REQUIRE(!WithOverrides(kFleet, {{"models.5.name", "x"}}).ok());
  REQUIRE(!WithOverrides(kFleet, {{"max_sequences.x", "x"}}).ok());
  const auto unknown = WithOverrides(kFleet, {{"models.0.colour", "red"}});
  REQUIRE(unknown.ok());  // what a file may hold is the reader's business
  REQUIRE(Has(fleet::ParseFleetConfig("fleet.yaml", *unknown).status(), "colour"));
}

TEST_CASE("an impossible fleet is refused by name") {
  auto config = fleet::ParseFleetConfig("fleet.yaml", kFleet);
  REQUIRE(config.ok());
  config->models[0].shape = "llama-3.1-405b";
  {
    // Wafers are taken as many as it needs, but two accelerators do not hold 810 GB.
    const auto cloud = OfflineCloud::Build(*config);
    REQUIRE(cloud.ok());
    const Trace trace = *simulator::Generate({});
    const auto run =
        Replay::Create((*cloud)->Options(), (*cloud)->timeline(), (*cloud)->Lanes(), &trace);
    REQUIRE(Has(run.status(), "model \"chat\": unit \"chat/gpu-0\""));
  }
  config->models[0].shape = "no-such-shape";
  REQUIRE(Has(OfflineCloud::Build(*config).status(), "shape"));
}

}  // namespace
}  // namespace waferline::simulator
