// What breaks on emulated wafers and what it costs the one replica that it hits: how long nothing
// is decoded, which KV is gone, and how fast the rest is afterwards.
//
//   core, row   a spare unit steps in (silicon/repair.h), messages walk its extra hops; if there is
//               no spare left, as a die
//   die         no spare replaces a die: its column of dies is given up and the wafer's regions are
//               drawn again on the narrower mesh, or its row of dies; if they do not fit, as a
//               wafer
//   wafer       a spare wafer is loaded; without one the replica moves to fewer wafers if it fits
//               them, else it is down
//   off-wafer link
//               one or more of the wafer's off-wafer links: the others carry on
//   power cap   all wafers run at the clock that the power allows
//   thermal     one wafer runs at a lower clock
//
// KV is kept nowhere else: every sequence with lost positions is prefilled again, whole, on the
// prefill devices. Pure; any thread; a millisecond or so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/placement/speed.h"
#include "wafer_backend/hardware/silicon/defects.h"

namespace waferline::placement {

enum class FaultKind : uint8_t { kCore, kRow, kDie, kWafer, kLink, kPowerCap, kThermal };
// The names of these kinds at every interface: fleet files, HTTP, gRPC, command line.
inline constexpr NamedValue<FaultKind> kFaultNames[] = {{"core", FaultKind::kCore},
                                                        {"row", FaultKind::kRow},
                                                        {"die", FaultKind::kDie},
                                                        {"wafer", FaultKind::kWafer},
                                                        {"off_wafer_link", FaultKind::kLink},
                                                        {"power_cap", FaultKind::kPowerCap},
                                                        {"thermal", FaultKind::kThermal}};

struct HardwareFault {
  FaultKind kind = FaultKind::kCore;
  int place = 0;              // which wafer; a power cap is for all
  int column = -1, row = -1;  // of the mesh, for core, row and die; -1: the middle
  int links = 1;              // that fail, 1 .. off_wafer_links
  double watts = 12000;       // a wafer, under the power cap
  double clock_share = 0.8;   // that heat leaves, (0, 1]
};

// What no data sheet says ("?"), and what is there besides the wafers.
struct FaultSetting {
  double detect_seconds = 0.1;       // ?: until the fault is known
  double reconfigure_seconds = 1.0;  // ?: new routes and programs
  double failover_seconds = 0.01;    // ?: until traffic leaves a dead link
  // ?: of decode power, what flows at any clock; the rest is taken as proportional to the clock, as
  // the voltage stays.
  double idle_power_share = 0.3;
  int off_wafer_links = 12;  // P: 12 x 100 GbE
  int spare_wafers = 1;
  // Computes lost KV again; needed.
  const silicon::AcceleratorSpec* prefill = nullptr;
  int prefill_groups = 1;                // groups of such devices that each hold the model
  std::vector<silicon::Defect> defects;  // that the wafer came with: spares already used
  // Links, caps and heat that slow the replica already. What it does after the fault is under all
  // of them together: a wafer runs at its lowest clock, and misses all links that failed. What it
  // did before is health.
  std::vector<HardwareFault> standing;
};

struct FaultCost {
  bool serving = true;  // false: this replica is down until the wafer is replaced
  double slowdown = 1;  // for DecodePipeline::SetSlowdown: of a user's tokens/s, >= 1
  double detect_seconds = 0;
  double reconfigure_seconds = 0;
  double reload_seconds = 0;   // weights, through the off-wafer links
  double prefill_seconds = 0;  // lost KV, and its way back
  double kv_bytes_lost = 0;
  double weight_bytes_lost = 0;  // loaded again
  int64_t sequences_hit = 0;
  int64_t positions_to_prefill = 0;
  double extra_hops = 0;         // there and back through the regions hit
  std::vector<size_t> remapped;  // pieces that lie elsewhere now, or lie on what stepped in
  int wafers_after = 0;          // of all replicas that work
  double user_before = 0, user_after = 0;  // tokens/s; after is 0 for a replica that is down
  double aggregate_before = 0, aggregate_after = 0;  // of all replicas
  double full_before = 0, full_after = 0;
  std::string story;  // one sentence

  double downtime_seconds() const {
    return detect_seconds + reconfigure_seconds + reload_seconds + prefill_seconds;
  }
};

// `placement` is Place's of `task`. InvalidArgument names what is
// out of range: place, column, row, links, watts (a cap must leave more than idle power), clock.
absl::StatusOr<FaultCost> CostOfFault(const PlacementTask& task, const Placement& placement,
                                      const HardwareFault& fault, const FaultSetting& setting);

}  // namespace waferline::placement
