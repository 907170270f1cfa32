#include "scheduler/fleet/lane_devices.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "server/config/server_config.h"

namespace waferline::fleet {
namespace {

fleet::LaneConfig Lane(const std::string& shape) {
  fleet::LaneConfig lane;
  lane.model = "m";
  lane.shape = shape;
  lane.context = Tokens(8192);
  lane.prefill.hardware = "h100";
  lane.prefill.workers = 2;
  lane.decode = {{.name = "wafer", .hardware = "wse-3", .profile = "vendor-2024"}};
  return lane;
}

std::string ErrorOf(const fleet::LaneConfig& lane) {
  Timeline timeline;
  return std::string(LaneDevices::Build(lane, &timeline).status().message());
}

TEST_CASE("a lane's pipeline runs at the speed of its hardware model") {
  Timeline timeline;
  const auto small = LaneDevices::Build(Lane("llama-3.1-8b"), &timeline);
  const auto large = LaneDevices::Build(Lane("llama-3.1-70b"), &timeline);
  REQUIRE(small.status().ToString() == "OK");
  REQUIRE(large.status().ToString() == "OK");
  const auto speed = [](const LaneDevices& devices) {
    return 1e9 / devices.Spec(nullptr, {}).units.at(0).pipeline->Latency(Tokens(1024)).as_double();
  };
  // The two launch rows that anchor the profile: 1,800 and 450 tokens/s.
  REQUIRE(speed(**small) == Approx(1800).epsilon(0.15));
  REQUIRE(speed(**large) == Approx(450).epsilon(0.15));
  REQUIRE((*small)->label() == "llama-3.1-8b on 1 x wse-3 (vendor-2024), prefill on 2 x h100");
  REQUIRE((*large)->label().find("4 x wse-3") != std::string::npos);
}

TEST_CASE("a profile with speculation serves at the speed that it predicts") {
  Timeline timeline;
  fleet::LaneConfig lane = Lane("llama-3.1-70b");
  lane.decode[0].profile = "vendor-2025";
  const auto devices = LaneDevices::Build(lane, &timeline);
  REQUIRE(devices.status().ToString() == "OK");
  const engine::LaneSpec spec = (*devices)->Spec(nullptr, {});
  const engine::Speculation speculation = *spec.units.at(0).speculation;
  double accepted = 1, reached = 1;
  for (const double p : speculation.acceptance) accepted += reached *= p;
  const int width = 1 + static_cast<int>(speculation.acceptance.size());
  const DecodePipeline::Beat beat =
      spec.units.at(0).pipeline->Enter(speculation.draft_time, Tokens(1024), width);
  // A public figure of the profile's fit: 2,100 tokens/s.
  CHECK(accepted * 1e9 / beat.leaves.as_double() == Approx(2100).epsilon(0.25));
  lane.states_draft = true;
  const auto plain = LaneDevices::Build(lane, &timeline);
  REQUIRE(!(*plain)->Spec(nullptr, {}).units.at(0).speculation);
  lane.states_draft = false;
  // Each unit speculates as its own kernels do, an accelerator not at all.
  lane.decode.push_back({.name = "older", .hardware = "wse-3", .profile = "vendor-2024"});
  lane.decode.push_back({.name = "gpu", .hardware = "h200", .devices_per_unit = 8});
  const auto mixed = LaneDevices::Build(lane, &timeline);
  REQUIRE(mixed.status().ToString() == "OK");
  const engine::LaneSpec units = (*mixed)->Spec(nullptr, {});
  CHECK(units.units.at(0).speculation->acceptance == speculation.acceptance);
  CHECK(units.units.at(1).speculation->acceptance.empty());
  CHECK(units.units.at(2).speculation->acceptance.empty());
  CHECK(units.units.at(1).tier == UnitTier::kFast);
  CHECK(units.units.at(2).tier == UnitTier::kSlow);
}

TEST_CASE("a split unit speculates as the profile of its wafers does") {
  Timeline timeline;
  fleet::LaneConfig lane = Lane("llama-3.1-70b");
  lane.decode[0] = {
      .name = "split",
      .split = fleet::SplitConfig{.attention = {.hardware = "h200", .devices = 8},
                                  .ffn = {.hardware = "wse-3", .profile = "vendor-2025"}}};
  const auto devices = LaneDevices::Build(lane, &timeline);
  REQUIRE(devices.status().ToString() == "OK");
  const engine::LaneSpec spec = (*devices)->Spec(nullptr, {});
  const engine::DecodeUnitSpec& unit = spec.units.at(0);
  double accepted = 1, reached = 1;
  for (const double p : unit.speculation->acceptance) accepted += reached *= p;
  CHECK(accepted == Approx(6.79108).epsilon(1e-6));  // tokens_per_step of the profile
  // A lone user's pass takes draft_seconds of the profile more than a token's step, or what the
  // drafted rows take if that is more.
  const int width = 1 + static_cast<int>(unit.speculation->acceptance.size());
  const auto step = [&](int rows) { return unit.batch->StepTime(1, Tokens(1024), rows); };
  const Nanoseconds pass = unit.speculation->draft_time + step(width);
  CHECK(pass == std::max(step(width), step(1) + Nanoseconds(1'841'030)));
  CHECK(unit.tier == UnitTier::kFast);
  lane.decode[0].split->attention = {.hardware = "wse-3", .profile = "open"};
  CHECK((LaneDevices::Build(lane, &timeline)).ok());  // that one does not speculate
}

TEST_CASE("a unit leases on its wafers and on its share of the shards that compute") {
  Timeline timeline;
  fleet::LaneConfig lane = Lane("llama-3.1-8b");
  lane.decode[0].units = 2;
  lane.link.shared = false;
  const auto devices = LaneDevices::Build(lane, &timeline);
  REQUIRE(devices.ok());
  const ShardMemory shard{.capacity = Bytes(1100),
                          .weights = Bytes(60),
                          .buffers = Bytes(40),
                          .kv_per_page = Bytes(10),
                          .page_tokens = Tokens(64)};
  const engine::LaneSpec spec = (*devices)->Spec(nullptr, {shard});
  REQUIRE(spec.workers.size() == 2);
  REQUIRE(spec.units.size() == 2);
  REQUIRE(spec.units[0].link != spec.units[1].link);
  REQUIRE(spec.units[0].memory.size() == (*devices)->emulated_memory(0).size() + 1);
  REQUIRE(spec.units[0].memory.back().kv_capacity() == Bytes(500));
  for (const ShardMemory& wafer : (*devices)->emulated_memory(0)) {
    REQUIRE(wafer.capacity <= Bytes(44'000'000'000));
    REQUIRE(wafer.kv_capacity() > Bytes());
  }
}

TEST_CASE("what cannot be built names the field") {
  REQUIRE(ErrorOf(Lane("no-such-model")).find("shape: ") == 0);
  fleet::LaneConfig lane = Lane("llama-3.1-8b");
  lane.context = Tokens();
  REQUIRE(ErrorOf(lane).find("context: is needed") != std::string::npos);
  lane = Lane("llama-3.1-8b");
  lane.prefill.hardware = "wse-3";
  REQUIRE(ErrorOf(lane).find("prefill.hardware: wse-3 is a wafer") != std::string::npos);
  lane = Lane("llama-3.1-8b");
  lane.decode[0].profile = "fastest";
  REQUIRE(ErrorOf(lane).find("decode[0]: ") != std::string::npos);
  lane = Lane("llama-3.1-70b");
  lane.decode[0].wafers_per_unit = 1;
  REQUIRE(ErrorOf(lane).find("decode[0]: ") != std::string::npos);
  lane = Lane("llama-3.1-8b");
  lane.decode[0] = {.name = "gpu", .hardware = "h100", .profile = "open"};
  REQUIRE(ErrorOf(lane).find("no effect") != std::string::npos);
}

TEST_CASE("chips that hold a layer each are a pipeline of accelerators") {
  Timeline timeline;
  fleet::LaneConfig lane = Lane("llama-3.1-8b");
  lane.decode = {{.name = "lpu", .hardware = "groq-lpu-v1", .units = 2, .devices_per_unit = 100}};
  const auto devices = LaneDevices::Build(lane, &timeline);
  REQUIRE(devices.status().ToString() == "OK");
  REQUIRE((*devices)->label().find("200 x groq-lpu-v1") != std::string::npos);
  const engine::LaneSpec spec = (*devices)->Spec(nullptr, {});
  REQUIRE(spec.units.size() == 2);
  const engine::DecodeUnitSpec& unit = spec.units[0];
  REQUIRE(unit.pipeline != nullptr);
  CHECK(unit.batch == nullptr);
  CHECK(unit.devices == 100);
  CHECK(unit.wafers == -1);                   // accelerators, though a pipeline
  CHECK(unit.pipeline->stage_count() == 33);  // layers and the output
  CHECK(unit.pipeline->depth(Tokens(100)) >= 30);
  // 23 GB of SRAM hold 16.06 GB of FP16 weights and 131,072 B a position.
  REQUIRE(unit.memory.size() == 1);
  CHECK(unit.memory[0].kv_capacity().count() > 5'000'000'000);
  lane.decode[0].devices_per_unit = 1;
  CHECK(ErrorOf(lane).find("decode[0]: groq-lpu-v1: weights 16.06 GB") != std::string::npos);
  lane.decode[0].devices_per_unit = 100;
  lane.prefill.hardware = "groq-lpu-v1";
  CHECK(ErrorOf(lane) ==
        "prefill.hardware: groq-lpu-v1: the weights need 70 chips, devices_per_worker is 1");
  lane.prefill.devices_per_worker = 70;
  CHECK(ErrorOf(lane).empty());
}

}  // namespace
}  // namespace waferline::fleet
