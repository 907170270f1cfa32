#include "client/cli/charts/wafer_map.h"

#include <algorithm>

#include "client/cli/charts/svg.h"

namespace waferline::cli {
namespace {

constexpr double kLeft = 40;
constexpr double kTop = 84;
constexpr double kSide = 760;  // the wafer
constexpr double kLegend = 270;

using silicon::Granularity;

class MapDrawing {
 public:
  explicit MapDrawing(const WaferMap& map)
      : map_(map), svg_(kLeft + kSide + kLegend, kTop + kSide + 40) {}

  std::string Draw() {
    svg_.Text({kLeft, 36}, map_.title, {.size = 21, .bold = true});
    svg_.Text({kLeft, 62}, map_.subtitle, {.size = 14, .colour = "#555"});
    svg_.Rectangle({kLeft, kTop, kSide, kSide}, "#eef3f7");
    DrawRegions();
    DrawSwitchedOff();
    DrawDies();
    DrawDefects();
    DrawLabels();
    DrawLegend();
    return svg_.Finish();
  }

 private:
  double X(double column, int of) const { return kLeft + kSide * column / of; }
  double Y(double row, int of) const { return kTop + kSide * row / of; }

  Box BoxOf(const MapRegion& region) const {
    const double x = X(region.column, map_.grid.mesh_columns),
                 y = Y(region.row, map_.grid.mesh_rows);
    return {x, y, X(region.column + region.columns, map_.grid.mesh_columns) - x,
            Y(region.row + region.rows, map_.grid.mesh_rows) - y};
  }

  void DrawRegions() {
    for (const MapRegion& region : map_.regions) {
      const Box box = BoxOf(region);
      svg_.Rectangle(box, region.colour.empty() ? HeatColour(region.heat) : region.colour,
                     region.tip);
      svg_.Outline(box, "#fff", 1.5);
    }
  }

  // Above all; a defect below one shines through.
  void DrawLabels() {
    for (const MapRegion& region : map_.regions) {
      const Box box = BoxOf(region);
      const auto letters = static_cast<double>(std::max<size_t>(region.label.size(), 1));
      const double size = std::min({15.0, 1.5 * box.width / letters, 0.8 * box.height});
      const Point middle{box.x + box.width / 2, box.y + box.height / 2};
      const double width = size * (0.6 * letters + 0.7);
      svg_.Rectangle({middle.x - width / 2, middle.y - 0.7 * size, width, 1.4 * size}, "#ffffffb8",
                     region.tip);
      svg_.Text({middle.x, middle.y + size * 0.36}, region.label,
                {.size = size, .anchor = Anchor::kMiddle, .bold = true});
    }
  }

  void DrawSwitchedOff() {
    const silicon::CoreGrid& grid = map_.grid;
    for (const silicon::Defect& defect : map_.defects) {
      if (defect.link) continue;
      const int die = grid.DieColumnOf(defect.column);
      const bool wafer = grid.granularity == Granularity::kRowOfWafer;
      const double begin = wafer ? 0 : grid.ColumnBegin(die),
                   end = wafer ? grid.columns : grid.ColumnBegin(die + 1);
      if (grid.granularity == Granularity::kCore) continue;  // the dot shows it
      svg_.Line({X(begin, grid.columns), Y(defect.row + 0.5, grid.rows)},
                {X(end, grid.columns), Y(defect.row + 0.5, grid.rows)}, "#222", 1.2);
    }
  }

  void DrawDies() {
    const silicon::CoreGrid& grid = map_.grid;
    for (int c = 0; c <= grid.die_columns; ++c) {
      const double x = X(grid.ColumnBegin(c), grid.columns);
      svg_.Line({x, kTop}, {x, kTop + kSide}, "#8a97a3", 0.8);
    }
    for (int r = 0; r <= grid.die_rows; ++r) {
      const double y = Y(grid.RowBegin(r), grid.rows);
      svg_.Line({kLeft, y}, {kLeft + kSide, y}, "#8a97a3", 0.8);
    }
  }

  void DrawDefects() {
    for (const silicon::Defect& defect : map_.defects) {
      const std::string tip = std::string(defect.link ? "dead link" : "dead core") + " at column " +
                              std::to_string(defect.column) + ", row " + std::to_string(defect.row);
      const Point at{X(defect.column + 0.5, map_.grid.columns),
                     Y(defect.row + 0.5, map_.grid.rows)};
      if (!map_.regions.empty()) svg_.Circle(at, 4.8, "#fff");  // to be seen on hot regions
      svg_.Circle(at, 3.6, defect.link ? "#e69f00" : "#c00020", tip);
    }
  }

  void DrawLegend() {
    const double x = kLeft + kSide + 24;
    double y = kTop + 14;
    const auto line = [&](const std::string& text, bool bold = false) {
      svg_.Text({x + (bold ? 0 : 18), y}, text, {.size = 13, .bold = bold});
      y += 22;
    };
    const auto dot = [&](std::string_view colour) { svg_.Circle({x + 6, y - 4}, 4, colour); };
    const silicon::RepairedWafer& w = map_.repaired;
    line(w.sellable ? "can be sold" : "cannot be sold", true);
    dot("#c00020");
    line(std::to_string(w.dead_cores) + " dead cores");
    dot("#e69f00");
    line(std::to_string(w.dead_links) + " dead links");
    svg_.Line({x, y - 4}, {x + 12, y - 4}, "#222", 1.5);
    line(std::to_string(w.switched_off) + " cores switched off");
    line(std::to_string(w.spares_used) + " spare units used");
    line(std::to_string(map_.grid.cores()) + " cores on " + std::to_string(map_.grid.dies()) +
         " dies");
    line("mesh " + std::to_string(map_.grid.mesh_columns) + " x " +
         std::to_string(map_.grid.mesh_rows));
    line("extra hops along a row: " + ShortNumber(w.row_extra_hops_mean));
    line("along a column: " + ShortNumber(w.column_extra_hops_mean));
    if (map_.regions.empty()) return;
    y += 12;
    line(map_.heat_label, true);
    for (int i = 0; i < 10; ++i)
      svg_.Rectangle({x + i * 16.0, y - 12, 16, 14}, HeatColour((i + 0.5) / 10));
    svg_.Text({x, y + 18}, map_.cool_label, {.size = 11});
    svg_.Text({x + 160, y + 18}, map_.hot_label, {.size = 11, .anchor = Anchor::kEnd});
  }

  const WaferMap& map_;
  Svg svg_;
};

}  // namespace

std::string DrawWaferMap(const WaferMap& map) { return MapDrawing(map).Draw(); }

}  // namespace waferline::cli
