// What software sees of a wafer after its defects were worked around. Pure.
//
// A dead core takes out its unit of repair (itself, the row of its die, the row of the wafer), a
// spare unit steps in and the others move up by one, so the mesh stays perfect and messages cross
// what was switched off: a hop more each. A dead link leaves its core alive; messages go around
// through the redundant link, two hops more. A wafer whose spares do not suffice somewhere cannot
// be sold. Left out: several defects that cut a region off (at 46 of 970,000 cores it does not
// happen), speed bins.
#pragma once

#include <cstdint>
#include <vector>

#include "wafer_backend/hardware/silicon/core_grid.h"
#include "wafer_backend/hardware/silicon/defects.h"

namespace waferline::silicon {

struct RepairedWafer {
  bool sellable = false;
  int64_t dead_cores = 0;  // distinct cores with a defect
  int64_t dead_links = 0;
  int64_t switched_off = 0;         // cores switched off by repair, dead ones included
  int64_t enabled_cores = 0;        // physical - switched off
  int64_t spares_used = 0;          // units of repair
  int64_t spares_short = 0;         // units that were missing; 0 if sellable
  std::vector<int> defects_by_die;  // [die_row * die_columns + die_column]

  // Hops beyond mesh_columns - 1 that a message needs along a whole row of the mesh, over all rows;
  // columns alike.
  double row_extra_hops_mean = 0;
  int row_extra_hops_max = 0;
  double column_extra_hops_mean = 0;
  int column_extra_hops_max = 0;
};

RepairedWafer Repair(const CoreGrid& grid, const std::vector<Defect>& defects);

}  // namespace waferline::silicon
