// One fault on its way to a FaultCost. Internal to placement: faults.h is the way in. Used once, on
// one thread; refers to all that it is made of. What breaks silicon is in fault_silicon.cc, what
// only slows it in fault_slow.cc.
#pragma once

#include <string>

#include "wafer_backend/hardware/placement/faults.h"
#include "wafer_backend/hardware/silicon/core_grid.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::placement {

// Where a fault happens.
struct FaultScene {
  const PlacementTask& task;
  const Placement& placement;
  const FaultSetting& setting;
  const silicon::CoreGrid& grid;
};

class FaultCase {
 public:
  FaultCase(const FaultScene& scene, const HardwareFault& fault)
      : task_(scene.task),
        p_(scene.placement),
        fault_(fault),
        setting_(scene.setting),
        grid_(scene.grid),
        column_(fault.column < 0 ? p_.mesh.columns / 2 : fault.column),
        row_(fault.row < 0 ? p_.mesh.rows / 2 : fault.row),
        before_(SpeedOf(task_, p_)) {
    cost_.wafers_after = p_.wafers();
    cost_.user_before = before_.user_tokens_per_second;
    cost_.aggregate_before = before_.aggregate_tokens_per_second;
    cost_.full_before = before_.full_tokens_per_second;
  }

  FaultCost Run(const timing::PrefillCosts& prefill);

 private:
  void SetAfter(const PlacementSpeed& replica_hit);

  void Restart() {
    cost_.detect_seconds = setting_.detect_seconds;
    cost_.reconfigure_seconds = setting_.reconfigure_seconds;
  }

  // Weights and KV that lie on `lost` of the place; SRAM holds both evenly over a region.
  void LoseWhatLiesOn(const Rectangle& lost);

  // Where a core of the mesh lies among the physical ones, before any repair.
  silicon::Defect DefectAt(int column, int row) const;

  // The mesh's share of a column or row of dies.
  Rectangle DieColumn() const;
  Rectangle DieRow() const;
  static int Begin(int die, int dies, int cores) {
    return static_cast<int>(int64_t{cores} * die / dies);
  }
  static int DieOf(int at, int dies, int cores) {
    int die = 0;
    while (Begin(die + 1, dies, cores) <= at) ++die;
    return die;
  }

  void StepIn();

  Rectangle Moved(bool row) const;

  int64_t PiecesOnPlace() const;

  void LoseDie(const std::string& before);

  void LoseWafer(const std::string& before);

  bool MoveToFewerWafers(const std::string& before);

  void LoseLinks();

  void SlowClock();

  // The places under the faults that stand, and under one more.
  ReplicaHealth Standing() const;
  void Slow(const HardwareFault& fault, ReplicaHealth* health) const;
  double ClockUnder(const HardwareFault& fault) const;

  void Refill(const timing::PrefillCosts& prefill);

  const PlacementTask& task_;
  const Placement& p_;
  const HardwareFault& fault_;
  const FaultSetting& setting_;
  const silicon::CoreGrid& grid_;
  const int column_, row_;
  const PlacementSpeed before_;
  FaultCost cost_;
};

}  // namespace waferline::placement
