#include "scheduler/fleet/live_faults.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

namespace waferline::fleet {
namespace {

using placement::FaultKind;

// Two units of four wafers, then two GPUs.
class Lane {
 public:
  Lane() {
    LaneConfig config;
    config.model = "m";
    config.shape = "llama-3.1-70b";
    config.context = Tokens(8192);
    config.prefill = {.hardware = "h100", .devices_per_worker = 4};
    config.decode = {{.name = "wafer", .hardware = "wse-3", .profile = "vendor-2024", .units = 2},
                     {.name = "gpu", .hardware = "h100", .units = 2, .devices_per_unit = 4}};
    auto built = LaneDevices::Build(config, &timeline_);
    INFO(built.status().message());
    REQUIRE(built.ok());
    devices_ = *std::move(built);
  }
  const LaneDevices* devices() const { return devices_.get(); }

 private:
  Timeline timeline_;
  std::unique_ptr<LaneDevices> devices_;
};

constexpr placement::HardwareFault kHot{.kind = FaultKind::kThermal, .clock_share = 0.5};

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST_CASE("faults of a unit add up, of that unit only, until its speed is set") {
  const Lane lane;
  LiveFaults faults(lane.devices(), {3});
  const placement::HardwareFault cap{.kind = FaultKind::kPowerCap, .watts = 12900};
  const double capped = faults.Inject({0}, cap, 1)->slowdown;
  REQUIRE(capped > 1.1);
  const FaultEffect both = *faults.Inject({0}, kHot, 1);
  REQUIRE(both.slowdown > 1.1 * capped);
  REQUIRE(both.changes.at(0).fault.lane.value == 3);
  REQUIRE(both.changes.at(0).fault.index.value == 0);
  REQUIRE(faults.Inject({1}, cap, 1)->slowdown == capped);
  faults.Forget({0});
  REQUIRE(faults.Inject({0}, cap, 1)->slowdown == capped);
}

TEST_CASE("a fault that cannot be is named, and does not count") {
  const Lane lane;
  LiveFaults faults(lane.devices(), {0});
  const double hot = LiveFaults(lane.devices(), {0}).Inject({0}, kHot, 1)->slowdown;
  REQUIRE(Message(faults.Inject({4}, kHot, 1).status()) ==
          "unit index 4 out of range [0, 4) of model \"m\"");
  REQUIRE(Message(faults.Inject({2}, kHot, 1).status()).find("is a h100, not a wafer") !=
          std::string::npos);
  const placement::HardwareFault nowhere{.kind = FaultKind::kWafer, .place = 9};
  REQUIRE(faults.Inject({0}, nowhere, 1).status().code() == absl::StatusCode::kInvalidArgument);
  REQUIRE(faults.Inject({0}, kHot, 1)->slowdown == hot);
}

TEST_CASE("a unit takes a bounded number of faults that slow it") {
  const Lane lane;
  LiveFaults faults(lane.devices(), {0});
  for (size_t i = 0; i < UnitFaults::kMax; ++i) REQUIRE(faults.Inject({1}, kHot, 1).ok());
  const absl::Status refused = faults.Inject({1}, kHot, 1).status();
  REQUIRE(refused.code() == absl::StatusCode::kResourceExhausted);
  REQUIRE(Message(refused).find("has been slowed 256 times") != std::string::npos);
  REQUIRE(faults.Inject({0}, kHot, 1).ok());
  faults.Forget({1});
  REQUIRE(faults.Inject({1}, kHot, 1).ok());
}

}  // namespace
}  // namespace waferline::fleet
