// A wafer as a picture: dies, defects, what repair switched off, and the regions of a placement
// with their heat. Pure.
#pragma once

#include <string>
#include <vector>

#include "wafer_backend/hardware/silicon/core_grid.h"
#include "wafer_backend/hardware/silicon/defects.h"
#include "wafer_backend/hardware/silicon/repair.h"

namespace waferline::cli {

// A rectangle of the mesh that software sees.
struct MapRegion {
  double column = 0, row = 0, columns = 0, rows = 0;  // in cores of the mesh
  std::string label;                                  // "0-3"
  double heat = 0;                                    // 0 .. 1
  std::string colour;                                 // instead of heat's; "": none
  std::string tip;
};

struct WaferMap {
  std::string title;
  std::string subtitle;
  silicon::CoreGrid grid;
  std::vector<silicon::Defect> defects;
  silicon::RepairedWafer repaired;
  std::vector<MapRegion> regions;
  // What the regions' colour means, and its cool and its hot end; needed if there are regions.
  std::string heat_label, cool_label, hot_label;
};

std::string DrawWaferMap(const WaferMap& map);

}  // namespace waferline::cli
