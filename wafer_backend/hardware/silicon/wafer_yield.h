// Monte Carlo over many wafers of one kind: how many can be sold, how much of each is enabled, and
// what the same silicon would give when diced into GPU-size dies or left without redundancy
// (Trilogy's case). Pure: a function of the seed.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/hardware/silicon/core_grid.h"
#include "wafer_backend/hardware/silicon/defects.h"
#include "wafer_backend/hardware/silicon/hardware.h"

namespace waferline::silicon {

// The GPU that the wafer is compared with: a reticle-limit die with units that are large against a
// core.
struct DicedChip {
  double die_mm2 = 814;    // P: H100's die
  double unit_mm2 = 6.2;   // P: one of its streaming multiprocessors
  int units = 144;         // P: on the die
  int units_needed = 132;  // P: sold enabled
};

struct YieldStudy {
  int64_t wafers = 0;
  double sellable = 0;  // fraction of the wafers
  double defects_mean = 0;
  double enabled_fraction_mean = 0;  // of the physical cores, over sellable wafers
  double enabled_fraction_min = 1;
  double spares_used_mean = 0;
  double row_extra_hops_mean = 0;  // per traversal of a row of the mesh
  double column_extra_hops_mean = 0;
  // Without redundancy one defect is too many; the closed form and what was drawn.
  double perfect = 0;
  double perfect_closed_form = 0;  // e^-n, or with clustering (1 + n_die / alpha)^(-alpha x dies)
  // The same defects on dies that a saw cuts out: sold if enough units are whole.
  double diced_dies_good = 0;              // fraction of dies with units_needed whole units
  double diced_dies_perfect = 0;           // fraction without any defect
  double diced_silicon_enabled = 0;        // share of the dies' area that is sold and switched on
  std::vector<int64_t> defects_histogram;  // [n] wafers with n defects; the last bin holds the rest
  std::vector<int64_t> spares_histogram;   // [n] wafers that used n spare units
};

inline constexpr int64_t kMaxWafers = 10'000'000;

struct WaferSample {
  int64_t wafers = 0;  // to draw, in [1, kMaxWafers]
  Granularity granularity = Granularity::kCore;
  DefectLaw law;
  SeededStream stream;
};

// InvalidArgument if the grid makes no sense or there are too few or too many wafers.
absl::StatusOr<YieldStudy> StudyYield(const WaferSpec& wafer, const WaferSample& sample);

}  // namespace waferline::silicon
