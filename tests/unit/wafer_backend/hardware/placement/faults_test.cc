#include "wafer_backend/hardware/placement/faults.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/profile_file.h"

namespace waferline::placement {
namespace {

struct Case {
  timing::ModelSizes shape;
  silicon::Hardware hardware = *silicon::LoadHardware("wse-3");
  silicon::Hardware device = *silicon::LoadHardware("h100");
  timing::Profile profile = *timing::LoadProfile("vendor-2024");
  explicit Case(const std::string& model) : shape(*timing::LoadModelShape(model)) {}
  PlacementTask Task(int64_t users = 4, int64_t context = 4096) const {
    return {.shape = shape,
            .wafer = *hardware.wafer(),
            .profile = profile,
            .context = context,
            .users = users};
  }
  absl::StatusOr<FaultCost> Cost(const PlacementTask& task, const HardwareFault& fault,
                                 FaultSetting setting = {}) const {
    const auto placed = Place(task);
    REQUIRE(placed.ok());
    setting.prefill = device.accelerator();
    return CostOfFault(task, *placed, fault, setting);
  }
};

TEST_CASE(
    "no fault speeds a model up, loses more than it holds, or gives figures without meaning") {
  for (const char* model : {"llama-3.1-8b", "llama-3.1-70b", "gpt-oss-120b"}) {
    const Case c(model);
    for (uint64_t seed = 0; seed < 40; ++seed) {
      SeededStream draws(seed);
      PlacementTask task = c.Task(1 + static_cast<int64_t>(draws.Uniform() * 8));
      task.replicas = 1 + static_cast<int>(draws.Uniform() * 2);
      const auto placed = Place(task);
      REQUIRE(placed.ok());
      double kv = 0, weights = 0;
      for (const PlacedPiece& piece : placed->pieces) {
        kv += piece.kv_bytes;
        weights += piece.weight_bytes;
      }
      for (const auto& [name, kind] : kFaultNames) {
        const HardwareFault fault{
            .kind = kind,
            .place = static_cast<int>(draws.Uniform() * placed->depth),
            .column = static_cast<int>(draws.Uniform() * placed->mesh.columns),
            .row = static_cast<int>(draws.Uniform() * placed->mesh.rows),
            .links = 1 + static_cast<int>(draws.Uniform() * 12),
            .watts = 6000 + 9000 * draws.Uniform(),
            .clock_share = 0.1 + 0.9 * draws.Uniform()};
        const FaultSetting setting{.spare_wafers = static_cast<int>(draws.Uniform() * 2),
                                   .prefill = c.device.accelerator()};
        INFO(model << " " << name << ", seed " << seed);
        const auto cost = CostOfFault(task, *placed, fault, setting);
        INFO(cost.status());
        REQUIRE(cost.ok());
        CHECK((std::isfinite(cost->slowdown) && cost->slowdown >= 1));
        CHECK((std::isfinite(cost->downtime_seconds()) && cost->downtime_seconds() >= 0));
        // The hops between regions drawn anew may differ a little to the good.
        CHECK(cost->user_after <= cost->user_before * 1.01);
        CHECK(cost->aggregate_after <= cost->aggregate_before * 1.01);
        CHECK((cost->kv_bytes_lost >= 0 && cost->kv_bytes_lost <= kv * (1 + 1e-9)));
        CHECK(cost->weight_bytes_lost <= weights * (1 + 1e-9));
        CHECK((cost->positions_to_prefill > 0) == (cost->kv_bytes_lost > 0));
        CHECK(cost->serving == (cost->user_after > 0));
        CHECK_FALSE(cost->story.empty());
      }
    }
  }
}

TEST_CASE("a core is replaced by a spare for some hops, a die by a narrower mesh") {
  const Case c("llama-3.1-70b");
  const auto core = c.Cost(c.Task(), {.kind = FaultKind::kCore, .place = 1});
  REQUIRE(core.ok());
  CHECK(core->extra_hops >= 2);
  CHECK(core->slowdown < 1.001);
  // One core's SRAM at most.
  CHECK(core->kv_bytes_lost + core->weight_bytes_lost < 49152);
  CHECK(core->sequences_hit == 4);
  CHECK(core->positions_to_prefill == 4 * 4096);
  // Of the wafers of the pipeline, the first has room to spare.
  const auto die = c.Cost(c.Task(), {.kind = FaultKind::kDie, .place = 0});
  REQUIRE(die.ok());
  CHECK(die->serving);
  CHECK(die->wafers_after == 4);
  CHECK(die->slowdown > core->slowdown);
  CHECK(die->downtime_seconds() > core->downtime_seconds());
}

TEST_CASE("a wafer without spares takes a core's fault as a die's") {
  const Case c("llama-3.1-70b");
  FaultSetting setting;
  // Row-of-die repair: every row of the middle die that has a spare is used up.
  for (int row = 0; row < 40; ++row) setting.defects.push_back({400, 600 + row, false});
  const auto cost =
      c.Cost(c.Task(), {.kind = FaultKind::kCore, .column = 400, .row = 596}, setting);
  REQUIRE(cost.ok());
  INFO(cost->story);
  CHECK(cost->story.find("No spare is left") == 0);
  CHECK(cost->remapped.size() == 20);
}

TEST_CASE("a lost wafer is replaced, left, or takes its replica down") {
  const Case c("llama-3.1-70b");
  const HardwareFault fault{.kind = FaultKind::kWafer, .place = 2};
  const auto replaced = c.Cost(c.Task(), fault);
  REQUIRE(replaced.ok());
  CHECK(replaced->slowdown == 1);
  // 35 GB through 150 GB/s.
  CHECK(replaced->reload_seconds == Approx(replaced->weight_bytes_lost / 1.5e11));
  PlacementTask wide = c.Task();
  wide.wafers = 6;
  const auto left = c.Cost(wide, fault, {.spare_wafers = 0});
  REQUIRE(left.ok());
  CHECK(left->serving);
  CHECK(left->wafers_after == 5);
  PlacementTask two = c.Task();
  two.replicas = 2;
  const auto down = c.Cost(two, fault, {.spare_wafers = 0});
  REQUIRE(down.ok());
  CHECK_FALSE(down->serving);
  CHECK(down->wafers_after == 4);
  CHECK(down->aggregate_after == Approx(down->aggregate_before / 2));
}

TEST_CASE("clocks and links slow what they touch and lose nothing") {
  const Case c("llama-3.1-70b");
  // 15 kW in decode, of which 30 % at rest: the cap leaves half of the rest.
  const auto cap = c.Cost(c.Task(), {.kind = FaultKind::kPowerCap, .watts = 9750});
  REQUIRE(cap.ok());
  // All but the hops between wafers takes twice as long.
  CHECK(cap->slowdown > 1.95);
  CHECK(cap->slowdown <= 2);
  CHECK(cap->full_after == Approx(cap->full_before / 2).epsilon(1e-6));
  const auto heat = c.Cost(c.Task(), {.kind = FaultKind::kThermal, .clock_share = 0.5});
  REQUIRE(heat.ok());
  CHECK(heat->slowdown == Approx(1.25).epsilon(0.02));  // one wafer of four
  // Memory holds fewer users than fill the pipeline, so the longer pass counts, not the beat.
  CHECK(heat->full_after == Approx(heat->full_before / heat->slowdown).epsilon(0.03));
  const auto link = c.Cost(c.Task(), {.kind = FaultKind::kLink, .links = 11});
  REQUIRE(link.ok());
  CHECK(link->slowdown > 1);
  CHECK(link->slowdown < 1.01);
  for (const auto* cost : {&*cap, &*heat, &*link}) {
    CHECK(cost->kv_bytes_lost == 0);
    CHECK(cost->positions_to_prefill == 0);
  }
  const auto cut_off = c.Cost(c.Task(), {.kind = FaultKind::kLink, .links = 12});
  REQUIRE(cut_off.ok());
  CHECK(cut_off->kv_bytes_lost > 0);
}

TEST_CASE("more prefill groups fill lost KV up sooner") {
  const Case c("llama-3.1-8b");
  const HardwareFault fault{.kind = FaultKind::kWafer};
  const auto one = c.Cost(c.Task(8), fault, {.prefill_groups = 1});
  const auto eight = c.Cost(c.Task(8), fault, {.prefill_groups = 8});
  REQUIRE((one.ok() && eight.ok()));
  CHECK(one->prefill_seconds > 5 * eight->prefill_seconds);
}

TEST_CASE("faults out of range are named") {
  const Case c("llama-3.1-8b");
  const auto refuses = [&](const char* word, const HardwareFault& fault,
                           const FaultSetting& setting) {
    const absl::Status status = c.Cost(c.Task(), fault, setting).status();
    INFO(word << ": " << status);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(Std(status.message()).find(word) != std::string::npos);
  };
  refuses("place", {.place = 1}, {});
  refuses("column", {.column = 762}, {});
  refuses("row", {.row = -2}, {});
  refuses("links", {.links = 13}, {});
  refuses("clock", {.clock_share = 0}, {});
  refuses("clock", {.clock_share = NAN}, {});
  refuses("W", {.kind = FaultKind::kPowerCap, .watts = 4500}, {});
  refuses("W", {.kind = FaultKind::kPowerCap, .watts = NAN}, {});
  refuses("prefill groups", {}, {.prefill_groups = 0});
  refuses("seconds", {}, {.detect_seconds = -1});
}

}  // namespace
}  // namespace waferline::placement
