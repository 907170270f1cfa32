// The share of wafers that can be sold, from the silicon model. Pure but for reading the hardware.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "wafer_backend/base/fact.h"

namespace waferline::planner {

// Of 500 wafers of a machine of deploy/hardware (or a path) with its defects and repair: at its
// stated defect density, and at both ends of that density's range. Derived (D); seeded, so the same
// each time.
absl::StatusOr<Fact> SellableShare(const std::string& hardware);

}  // namespace waferline::planner
