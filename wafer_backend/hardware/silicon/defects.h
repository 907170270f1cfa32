// Where a wafer's defects lie. Pure: a function of the seed.
//
// The number on each die is Poisson with mean D0 x die area, or, with clustering, Poisson with a
// gamma-distributed mean of shape alpha (so the count is negative binomial: Stapper, "Modeling of
// integrated circuit defect sensitivities", IBM J. Res. Dev. 1983); within a die they lie
// uniformly. A defect kills the core that it hits, or, with the probability of the router wiring's
// share of a core, one link of it.
#pragma once

#include <cstdint>
#include <vector>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/hardware/silicon/core_grid.h"
#include "wafer_backend/hardware/silicon/hardware.h"

namespace waferline::silicon {

struct DefectLaw {
  double per_mm2 = 0.001;
  double clustering = 0;    // alpha; 0: plain Poisson
  double link_share = 0.1;  // ?: routers and wires are a small part of a core's area
};
DefectLaw DefectLawOf(const WaferSpec& wafer, bool clustered);

struct Defect {
  int column = 0;  // physical core
  int row = 0;
  bool link = false;  // a link of the core is dead, not the core
};

// By die, then in the order of drawing. At most `kMaxDefects`; a law that would exceed it is cut
// there.
inline constexpr int64_t kMaxDefects = 10'000'000;
std::vector<Defect> DrawDefects(const CoreGrid& grid, double wafer_area_mm2, const DefectLaw& law,
                                SeededStream stream);

// Draws in order from `stream`.
int64_t DrawPoisson(double mean, SeededStream& stream);
double DrawGamma(double shape, SeededStream& stream);  // scale 1

}  // namespace waferline::silicon
