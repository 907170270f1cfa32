#include "client/cli/wafer/silicon_commands.h"

#include <boost/json.hpp>
#include <cstdio>
#include <iostream>

#include "client/cli/charts/charts.h"
#include "client/cli/charts/placement_chart.h"
#include "client/cli/charts/svg.h"
#include "client/cli/charts/wafer_map.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/wafer/placement_flags.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/silicon/wafer_yield.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

json::array Trimmed(std::vector<int64_t> bins) {
  while (!bins.empty() && bins.back() == 0) bins.pop_back();
  return json::array(bins.begin(), bins.end());
}

// What both commands ask for: a wafer, its law of defects and its unit of repair.
struct Silicon {
  silicon::Hardware hardware;
  silicon::Granularity repair;
  std::string repair_name;
  silicon::DefectLaw law;
  bool clustered = true;
  const silicon::WaferSpec& wafer() const { return *hardware.wafer(); }
};

absl::StatusOr<Silicon> ReadSilicon(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(silicon::Hardware hardware,
                      silicon::LoadHardware(arguments.Text("hardware")));
  const silicon::WaferSpec* wafer = hardware.wafer();
  if (wafer == nullptr) return UsageError("--hardware " + hardware.name + " is no wafer");
  Silicon out;
  out.repair_name =
      arguments.Has("repair") ? arguments.Text("repair") : wafer->repair_granularity.value;
  WL_ASSIGN_OR_RETURN(out.repair, silicon::ParseGranularity(out.repair_name));
  out.clustered = arguments.Text("statistics") != "poisson";
  if (out.clustered && arguments.Text("statistics") != "clustered") {
    return UsageError("--statistics is \"" + arguments.Text("statistics") +
                      "\", must be poisson or clustered");
  }
  out.law = silicon::DefectLawOf(*wafer, out.clustered);
  if (arguments.Has("density")) out.law.per_mm2 = arguments.Number("density");
  out.hardware = std::move(hardware);
  return out;
}

absl::StatusOr<WaferMap> DrawnWafer(const Silicon& it, SeededStream draws) {
  WL_ASSIGN_OR_RETURN(const silicon::CoreGrid grid, silicon::CoreGrid::Of(it.wafer(), it.repair));
  const double area = it.wafer().side_mm.value * it.wafer().side_mm.value;
  WaferMap map;
  map.title = it.hardware.title;
  map.subtitle = "one wafer, repaired by " + it.repair_name;
  map.grid = grid;
  map.defects = silicon::DrawDefects(grid, area, it.law, draws);
  map.repaired = silicon::Repair(grid, map.defects);
  return map;
}

SeededStream Draws(const Arguments& arguments) {
  return SeededStream(static_cast<uint64_t>(arguments.Integer("seed")));
}

// With --model: what lies on the wafer.
absl::Status AddRegions(const Arguments& arguments, WaferMap* map) {
  if (!arguments.Has("model")) return absl::OkStatus();
  WL_ASSIGN_OR_RETURN(const ModelOnWafers it, ReadPlacementFlags(arguments));
  const placement::PlacementTask task = it.Task();
  WL_ASSIGN_OR_RETURN(const placement::Placement placed, placement::Place(task));
  const int64_t place = arguments.Integer("place");
  if (place >= placed.depth) {
    return UsageError("--place is " + std::to_string(place) + ", but " + it.shape.name +
                      " lies on places 0 to " + std::to_string(placed.depth - 1));
  }
  const placement::PlacementSpeed speed = placement::SpeedOf(task, placed);
  const StageScale scale = StageScaleOf(placed, speed);
  map->regions = RegionsOf(placed, speed, static_cast<int>(place));
  map->title = it.Title(placed.wafers());
  map->subtitle = "wafer " + std::to_string(place + 1) + " of " + std::to_string(placed.depth) +
                  " in the pipeline; " + map->subtitle;
  map->heat_label = "time a layer takes a token";
  map->cool_label = scale.least_label();
  map->hot_label = scale.most_label();
  return absl::OkStatus();
}

absl::Status Map(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Silicon it, ReadSilicon(arguments));
  WL_ASSIGN_OR_RETURN(WaferMap map, DrawnWafer(it, Draws(arguments)));
  WL_RETURN_IF_ERROR(AddRegions(arguments, &map));
  if (arguments.Has("svg")) WL_RETURN_IF_ERROR(WriteSvg(arguments.Text("svg"), DrawWaferMap(map)));
  const silicon::RepairedWafer& w = map.repaired;
  if (!arguments.json()) {
    printf(
        "%s, seed %lld: %s; %lld dead cores, %lld dead links, %lld spare units used, %lld cores "
        "enabled\n",
        it.hardware.name.c_str(), static_cast<long long>(arguments.Integer("seed")),
        w.sellable ? "can be sold" : "cannot be sold", static_cast<long long>(w.dead_cores),
        static_cast<long long>(w.dead_links), static_cast<long long>(w.spares_used),
        static_cast<long long>(w.enabled_cores));
    return absl::OkStatus();
  }
  json::array defects, regions;
  for (const MapRegion& region : map.regions) {
    regions.push_back({{"label", region.label},
                       {"column", region.column},
                       {"row", region.row},
                       {"columns", region.columns},
                       {"rows", region.rows},
                       {"heat", region.heat}});
  }
  for (const silicon::Defect& defect : map.defects) {
    defects.push_back({{"column", defect.column}, {"row", defect.row}, {"link", defect.link}});
  }
  std::cout << json::object{{"hardware", it.hardware.name},
                            {"repair", it.repair_name},
                            {"sellable", w.sellable},
                            {"physical_columns", map.grid.columns},
                            {"physical_rows", map.grid.rows},
                            {"mesh_columns", map.grid.mesh_columns},
                            {"mesh_rows", map.grid.mesh_rows},
                            {"enabled_cores", w.enabled_cores},
                            {"switched_off", w.switched_off},
                            {"spares_used", w.spares_used},
                            {"spares_short", w.spares_short},
                            {"row_extra_hops_mean", w.row_extra_hops_mean},
                            {"row_extra_hops_max", w.row_extra_hops_max},
                            {"column_extra_hops_mean", w.column_extra_hops_mean},
                            {"column_extra_hops_max", w.column_extra_hops_max},
                            {"defects_by_die",
                             json::array(w.defects_by_die.begin(), w.defects_by_die.end())},
                            {"defects", defects},
                            {"regions", regions}}
            << "\n";
  return absl::OkStatus();
}

absl::Status Yield(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Silicon it, ReadSilicon(arguments));
  WL_ASSIGN_OR_RETURN(const silicon::YieldStudy study,
                      silicon::StudyYield(it.wafer(), it.repair, it.law,
                                          arguments.Integer("wafers"), Draws(arguments)));
  if (arguments.Has("svg")) {
    WL_RETURN_IF_ERROR(WriteSvg(
        arguments.Text("svg"),
        DrawHistogram(
            {.title = "Defects of " + std::to_string(study.wafers) + " wafers, " + it.hardware.name,
             .x_label = "defects on a wafer",
             .y_label = "wafers",
             .counts = study.defects_histogram})));
  }
  if (!arguments.json()) {
    printf("%s, %lld wafers, %s defects of %.4g per mm2, repair by %s\n", it.hardware.name.c_str(),
           static_cast<long long>(study.wafers), it.clustered ? "clustered" : "Poisson",
           it.law.per_mm2, it.repair_name.c_str());
    printf("  sellable                     %.2f %%\n", 100 * study.sellable);
    printf("  defects a wafer              %.1f\n", study.defects_mean);
    printf("  spare units used             %.1f\n", study.spares_used_mean);
    printf("  physical cores enabled       %.2f %% (least %.2f %%)\n",
           100 * study.enabled_fraction_mean, 100 * study.enabled_fraction_min);
    printf("  extra hops along a row       %.2f, along a column %.2f\n", study.row_extra_hops_mean,
           study.column_extra_hops_mean);
    printf("  the same without redundancy  %.3g of the wafers are perfect\n",
           study.perfect_closed_form);
    printf(
        "  the same cut into GPU dies   %.1f %% of dies sold, %.1f %% of their silicon enabled\n",
        100 * study.diced_dies_good, 100 * study.diced_silicon_enabled);
    return absl::OkStatus();
  }
  std::cout << json::object{{"hardware", it.hardware.name},
                            {"wafers", study.wafers},
                            {"statistics", arguments.Text("statistics")},
                            {"repair", it.repair_name},
                            {"defects_per_mm2", it.law.per_mm2},
                            {"sellable", study.sellable},
                            {"defects_mean", study.defects_mean},
                            {"spares_used_mean", study.spares_used_mean},
                            {"enabled_fraction_mean", study.enabled_fraction_mean},
                            {"enabled_fraction_min", study.enabled_fraction_min},
                            {"row_extra_hops_mean", study.row_extra_hops_mean},
                            {"column_extra_hops_mean", study.column_extra_hops_mean},
                            {"without_redundancy",
                             {{"perfect", study.perfect},
                              {"perfect_closed_form", study.perfect_closed_form}}},
                            {"diced",
                             {{"dies_sold", study.diced_dies_good},
                              {"dies_perfect", study.diced_dies_perfect},
                              {"silicon_enabled", study.diced_silicon_enabled}}},
                            {"defects_histogram", Trimmed(study.defects_histogram)},
                            {"spares_histogram", Trimmed(study.spares_histogram)}}
            << "\n";
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> SiliconCommands() {
  const std::vector<Flag> shared = {
      TextFlag("hardware", "NAME|FILE", "the wafer", "wse-3"),
      IntegerFlag("seed", "N", "of the draws", 1, 0, INT64_MAX),
      TextFlag("statistics", "LAW", "clustered (negative binomial by die) or poisson", "clustered"),
      TextFlag("repair", "UNIT", "core, row-of-die or row-of-wafer; default: what the file says"),
      NumberFlag("density", "D0", "defects per mm2; default: what the file says", std::nullopt, 0,
                 1),
      TextFlag("svg", "FILE", "also draw it")};
  Command yield{
      .words = "wafer yield",
      .summary = "Draws many wafers with their defects, repairs them and counts what can be sold",
      .flags = shared,
      .run = Yield};
  yield.flags.push_back(
      IntegerFlag("wafers", "N", "how many to draw", 10000, 1, silicon::kMaxWafers));
  Command map{.words = "wafer map",
              .summary = "One wafer: its dies, defects, repair, and with --model what lies on it",
              .flags = shared,
              .run = Map};
  const std::vector<Flag> placement = PlacementFlags();
  map.flags.insert(map.flags.end(), placement.begin(), placement.end());
  map.flags.push_back(IntegerFlag("place", "N", "with --model: which wafer of the pipeline", 0, 0,
                                  placement::kMaxWafers - 1));
  return {yield, map};
}

}  // namespace waferline::cli
