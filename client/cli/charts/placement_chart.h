// A placement as a picture: the wafers of one replica side by side with their regions, and what
// their SRAM holds. Pure.
#pragma once

#include <string>
#include <vector>

#include "client/cli/charts/wafer_map.h"
#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/placement/speed.h"

namespace waferline::cli {

struct PlacementChart {
  std::string title;
  std::string subtitle;
  const placement::Placement& placement;
  const placement::PlacementSpeed& speed;
};

// At most kMaxDrawn wafers; the picture says how many more there are.
inline constexpr int kMaxDrawn = 24;
std::string DrawPlacement(const PlacementChart& chart);

// "embedding", "layer 12", "output".
std::string NameOf(const placement::PlacedPiece& piece);

// What the colour of a region means: its time for a token, between those of the fastest and the
// slowest layer (or 1 % above the fastest). Embedding and output, which take little, are as cool as
// can be.
struct StageScale {
  double min_seconds = 0, max_seconds = 0;
  double HeatOf(double seconds) const;
  std::string min_label() const;  // "28.64 us"
  std::string max_label() const;
};
StageScale StageScaleOf(const placement::Placement& placement,
                        const placement::PlacementSpeed& speed);

// The regions of a place for a wafer map.
std::vector<MapRegion> RegionsOf(const placement::Placement& placement,
                                 const placement::PlacementSpeed& speed, int place);

}  // namespace waferline::cli
