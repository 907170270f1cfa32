#include "wafer_backend/hardware/placement/faults.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/number_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/fault_case.h"

namespace waferline::placement {
namespace {

absl::Status OutOfRange(const char* name, double value, double min, double max) {
  return absl::InvalidArgumentError(absl::StrCat(name, " ", OutOfRangeText(value, min, max)));
}

absl::Status CheckFault(const PlacementTask& task, const Placement& p, const HardwareFault& fault,
                        const FaultSetting& setting) {
  const auto within = [](double value, double min, double max) {
    return value >= min && value <= max;
  };
  if (!within(fault.place, 0, p.depth - 1)) return OutOfRange("place", fault.place, 0, p.depth - 1);
  if (!within(fault.column, -1, p.mesh.columns - 1)) {
    return OutOfRange("column", fault.column, 0, p.mesh.columns - 1);
  }
  if (!within(fault.row, -1, p.mesh.rows - 1)) {
    return OutOfRange("row", fault.row, 0, p.mesh.rows - 1);
  }
  if (!within(setting.off_wafer_links, 1, 1e6)) {
    return OutOfRange("off-wafer links", setting.off_wafer_links, 1, 1e6);
  }
  if (!within(fault.links, 1, setting.off_wafer_links)) {
    return OutOfRange("links", fault.links, 1, setting.off_wafer_links);
  }
  if (!within(fault.clock_share, 0.01, 1)) {
    return OutOfRange("clock share", fault.clock_share, 0.01, 1);
  }
  for (const double seconds :
       {setting.detect_seconds, setting.reconfigure_seconds, setting.failover_seconds}) {
    if (!within(seconds, 0, 1e9)) return OutOfRange("seconds of a repair", seconds, 0, 1e9);
  }
  if (!within(setting.idle_power_share, 0, 0.99)) {
    return OutOfRange("idle power share", setting.idle_power_share, 0, 0.99);
  }
  if (!within(setting.prefill_groups, 1, 1e9)) {
    return OutOfRange("prefill groups", setting.prefill_groups, 1, 1e9);
  }
  const double watts = task.wafer.power_decode_watts.value;
  const double idle = watts * setting.idle_power_share;
  const double min = idle + 0.01 * (watts - idle);
  if (fault.kind == FaultKind::kPowerCap && !(fault.watts >= min)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "a cap of %.6g W does not leave a wafer more than it draws at rest (%.6g W, %.3g %% of "
        "decoding); give at least %s W",
        fault.watts, idle, 100 * setting.idle_power_share, NumberText(min)));
  }
  return absl::OkStatus();
}

}  // namespace

FaultCost FaultCase::Run(const timing::PrefillCosts& prefill) {
  switch (fault_.kind) {
    case FaultKind::kCore:
    case FaultKind::kRow:
      StepIn();
      break;
    case FaultKind::kDie:
      LoseDie("");
      break;
    case FaultKind::kWafer:
      LoseWafer("");
      break;
    case FaultKind::kLink:
      LoseLinks();
      break;
    case FaultKind::kPowerCap:
    case FaultKind::kThermal:
      SlowClock();
      break;
  }
  Refill(prefill);
  cost_.slowdown = cost_.serving ? std::max(1.0, cost_.user_before / cost_.user_after) : 1;
  return cost_;
}

void FaultCase::SetAfter(const PlacementSpeed& replica_hit) {
  // The other replicas go on as before.
  const double others = p_.replicas - 1;
  cost_.user_after = replica_hit.user_tokens_per_second;
  cost_.aggregate_after =
      (cost_.aggregate_before * others + replica_hit.aggregate_tokens_per_second) / p_.replicas;
  cost_.full_after =
      (cost_.full_before * others + replica_hit.full_tokens_per_second) / p_.replicas;
}

void FaultCase::Refill(const timing::PrefillCosts& prefill) {
  if (cost_.kv_bytes_lost <= 0) return;
  // Every sequence keeps positions on every row of every region.
  cost_.sequences_hit = p_.users_per_replica;
  cost_.positions_to_prefill = p_.users_per_replica * task_.context;
  if (!cost_.serving) return;
  const int64_t rounds =
      (p_.users_per_replica + setting_.prefill_groups - 1) / setting_.prefill_groups;
  const Tokens context(task_.context);
  cost_.prefill_seconds =
      static_cast<double>(rounds) * ToSeconds(prefill.ChunkTime(context, Tokens(0))) +
      ToSeconds(prefill.TransferTime(context));
}

absl::StatusOr<FaultCost> CostOfFault(const PlacementTask& task, const Placement& placement,
                                      const HardwareFault& fault, const FaultSetting& setting) {
  WL_CHECK(setting.prefill != nullptr);
  WL_RETURN_IF_ERROR(CheckFault(task, placement, fault, setting));
  for (const HardwareFault& standing : setting.standing) {
    WL_RETURN_IF_ERROR(CheckFault(task, placement, standing, setting));
  }
  WL_ASSIGN_OR_RETURN(const silicon::Granularity granularity,
                      silicon::ParseGranularity(task.wafer.repair_granularity.value));
  WL_ASSIGN_OR_RETURN(const silicon::CoreGrid grid, silicon::CoreGrid::Of(task.wafer, granularity));
  WL_ASSIGN_OR_RETURN(const timing::PrefillCosts costs,
                      timing::PrefillCostsOf(task.shape, *setting.prefill, task.bytes_per_weight));
  return FaultCase({task, placement, setting, grid}, fault).Run(costs);
}

}  // namespace waferline::placement
