// A fault as it is asked for, by its kind's name and fields, and as the engine and the wafers
// understand it. The kinds are those of engine/fault.h (devices of the scheduler) and of
// placement/faults.h (what breaks on a unit's wafers). Fleet files, HTTP and gRPC all read a
// FaultRequest and check it here. Values and pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/engine/fault.h"
#include "wafer_backend/hardware/placement/faults.h"

namespace waferline::fleet {

struct FaultRequest {
  std::string kind;    // one of FaultNames(); '-' is accepted for '_'
  uint32_t index = 0;  // which of the model's workers or units
  // Only what was given; CheckFault refuses a field that the kind does not take.
  std::optional<double> factor;
  std::optional<double> stage;         // of the unit's pipeline
  std::optional<double> place;         // which wafer of the unit's pipeline; 0 if absent
  std::optional<double> column, row;   // of the mesh; the middle if absent
  std::optional<double> links;         // that fail; 1 if absent
  std::optional<double> spare_wafers;  // that stand by; 1 if absent
  std::optional<double> watts;         // of each wafer
  std::optional<double> clock_share;   // that remains
};

struct FaultField {
  std::string_view name;  // in files and in requests
  std::optional<double> FaultRequest::*value;
  bool whole;
};
std::span<const FaultField> FaultFields();

struct CheckedFault {
  engine::Fault fault;                               // `lane` is left to the caller
  std::optional<placement::HardwareFault> hardware;  // if set, only lane and index of `fault` count
  int spare_wafers = 1;
};

// The names of every kind.
std::vector<std::string_view> FaultNames();

// InvalidArgument with its field ("fault" for the kind): an unknown kind, a field that is missing,
// out of range, or has no meaning for this kind. The message goes after the field's name. Whether
// the device exists is checked by the engine and by the devices.
absl::StatusOr<CheckedFault> CheckFault(const FaultRequest& request);

}  // namespace waferline::fleet
