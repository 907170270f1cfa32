// What does not change of a cloud while it runs, as JSON for the page: where each model lies on
// which wafers, and the wafers themselves with dies, spare rows and defects.
//
// The defects of a wafer are drawn from its hardware file's law, by a seed that the model, the unit
// and the place give: they are what such a wafer looks like. Repair maps them away, so the timing
// does not depend on them. Pure; any thread. Bound: kMaxDrawn wafers get defects.
#pragma once

#include <string>
#include <vector>

#include "scheduler/fleet/lane_devices.h"

namespace waferline::live {

inline constexpr int kMaxDrawn = 64;

struct LayoutModel {
  std::string name;
  std::string label;  // what it is, for people
  bool computed = true;
  const fleet::LaneDevices* devices = nullptr;
};

std::string LayoutJson(const std::vector<LayoutModel>& models);

}  // namespace waferline::live
