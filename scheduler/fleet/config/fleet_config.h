// The file that `waferctl sim --config` reads: a fleet for offline runs. The same `models:` as a
// server's, and a script of faults. A server's file is taken as well: what has no meaning offline
// is named, and its contents are waferd's to check.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/fleet/config/fault_request.h"
#include "scheduler/fleet/config/lane_config.h"
#include "wafer_backend/base/units.h"

namespace waferline::fleet {

struct FaultConfig : CheckedFault {
  Nanoseconds at;  // since the start of the run
};

// In the engine at once, unless a server's file says otherwise (limits.max_sequences).
inline constexpr uint32_t kServerMaxSequences = 4096;

struct FleetConfig {
  std::vector<LaneConfig> models;
  uint32_t max_sequences = 16384;  // in the engine at once
  // Share of a device's working power that it draws idle. It is not published for these machines
  // (?): a parameter; half is the order of servers that are not power-gated.
  double idle_power_share = 0.5;
  std::vector<FaultConfig> faults;
  // Of a server's file, what has no effect offline: "listen", "models[0].tokens".
  std::vector<std::string> not_simulated;
};

// `name` is the path of the file: it goes before each error, and relative paths in it start at its
// folder. InvalidArgument: all faults at once, with line and field; an override that names nothing
// that the file could hold is one.
absl::StatusOr<FleetConfig> ParseFleetConfig(const std::string& name, std::string_view yaml);

}  // namespace waferline::fleet
