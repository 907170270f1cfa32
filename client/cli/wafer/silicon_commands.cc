// waferctl wafer yield and wafer map: wafers drawn from a seed, many in numbers or one as a
// picture.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>

#include "client/cli/charts/charts.h"
#include "client/cli/charts/placement_chart.h"
#include "client/cli/charts/wafer_map.h"
#include "client/cli/frame/output.h"
#include "client/cli/wafer/model_flags.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
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
  WL_ASSIGN_OR_RETURN(silicon::Hardware hardware, ReadWafer(arguments));
  const silicon::WaferSpec& wafer = *hardware.wafer();
  Silicon out;
  out.repair_name =
      arguments.Has("repair") ? arguments.Text("repair") : wafer.repair_granularity.value;
  WL_ASSIGN_OR_RETURN(out.repair, silicon::ParseGranularity(out.repair_name));
  out.clustered = arguments.Text("statistics") == "clustered";
  out.law = silicon::DefectLawOf(wafer, out.clustered);
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
    return UsageError("--place: " + std::to_string(place) + " is out of range, " + it.shape.name +
                      " is on places [0, " + std::to_string(placed.depth) + ")");
  }
  const placement::PlacementSpeed speed = placement::SpeedOf(task, placed);
  const StageScale scale = StageScaleOf(placed, speed);
  map->regions = RegionsOf(placed, speed, static_cast<int>(place));
  map->title = it.Title(placed.wafers());
  map->subtitle = "wafer " + std::to_string(place + 1) + " of " + std::to_string(placed.depth) +
                  " in the pipeline; " + map->subtitle;
  map->heat_label = "time a layer takes a token";
  map->cool_label = scale.min_label();
  map->hot_label = scale.max_label();
  return absl::OkStatus();
}

json::object MapJson(const Silicon& it, const WaferMap& map) {
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
  const silicon::RepairedWafer& w = map.repaired;
  return {{"hardware", it.hardware.name},
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
          {"defects_by_die", json::array(w.defects_by_die.begin(), w.defects_by_die.end())},
          {"defects", defects},
          {"regions", regions}};
}

absl::Status RunMap(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Silicon it, ReadSilicon(arguments));
  WL_ASSIGN_OR_RETURN(WaferMap map, DrawnWafer(it, Draws(arguments)));
  WL_RETURN_IF_ERROR(AddRegions(arguments, &map));
  if (arguments.Has("svg")) WL_RETURN_IF_ERROR(WriteFile(arguments.Text("svg"), DrawWaferMap(map)));
  if (arguments.json()) {
    PrintText(JsonText(MapJson(it, map)) + "\n");
    return absl::OkStatus();
  }
  const silicon::RepairedWafer& w = map.repaired;
  Print("{}, seed {}: {}; {}, {}, {} used, {} enabled\n", it.hardware.name,
        arguments.Integer("seed"), w.sellable ? "can be sold" : "cannot be sold",
        Counted(w.dead_cores, "dead core"), Counted(w.dead_links, "dead link"),
        Counted(w.spares_used, "spare unit"), Counted(w.enabled_cores, "core"));
  if (!arguments.Has("svg")) {
    fprintf(stderr, "note: --svg FILE draws it, --json lists its defects and regions\n");
  }
  return absl::OkStatus();
}

void PrintYield(const Silicon& it, const silicon::YieldStudy& study) {
  Print("{}, {} wafers, {} defects of {:.4g} per mm2, repair by {}\n", it.hardware.name,
        study.wafers, it.clustered ? "clustered" : "Poisson", it.law.per_mm2, it.repair_name);
  Table table({"", ""}, {Table::Align::kLeft, Table::Align::kLeft});
  const auto add = [&table](const char* name, std::string value) {
    table.Add({name, std::move(value)});
  };
  add("sellable", fmt::format("{:.2f} %", 100 * study.sellable));
  add("defects a wafer", fmt::format("{:.1f}", study.defects_mean));
  add("spare units used", fmt::format("{:.1f}", study.spares_used_mean));
  add("physical cores enabled",
      fmt::format("{:.2f} % (min {:.2f} %)", 100 * study.enabled_fraction_mean,
                  100 * study.enabled_fraction_min));
  add("extra hops", fmt::format("{:.2f} along a row, {:.2f} along a column",
                                study.row_extra_hops_mean, study.column_extra_hops_mean));
  add("without spare units",
      fmt::format("{:.3g} of the wafers are perfect", study.perfect_closed_form));
  add("cut into GPU dies",
      fmt::format("{:.1f} % of dies sold, {:.1f} % of their silicon enabled",
                  100 * study.diced_dies_good, 100 * study.diced_silicon_enabled));
  table.Print();
}

json::object YieldJson(const Silicon& it, const silicon::YieldStudy& study) {
  return {{"hardware", it.hardware.name},
          {"wafers", study.wafers},
          {"statistics", it.clustered ? "clustered" : "poisson"},
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
           {{"perfect", study.perfect}, {"perfect_closed_form", study.perfect_closed_form}}},
          {"diced",
           {{"dies_sold", study.diced_dies_good},
            {"dies_perfect", study.diced_dies_perfect},
            {"silicon_enabled", study.diced_silicon_enabled}}},
          {"defects_histogram", Trimmed(study.defects_histogram)},
          {"spares_histogram", Trimmed(study.spares_histogram)}};
}

absl::Status RunYield(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Silicon it, ReadSilicon(arguments));
  WL_ASSIGN_OR_RETURN(const silicon::YieldStudy study,
                      silicon::StudyYield(it.wafer(), {arguments.Integer("wafers"), it.repair,
                                                       it.law, Draws(arguments)}));
  if (arguments.Has("svg")) {
    WL_RETURN_IF_ERROR(WriteFile(
        arguments.Text("svg"),
        DrawHistogram(
            {.title = fmt::format("Defects of {} wafers, {}", study.wafers, it.hardware.name),
             .subtitle = fmt::format("{:.2f} % can be sold, repaired by {}; {:.1f} defects and "
                                     "{:.1f} spare units a wafer",
                                     100 * study.sellable, it.repair_name, study.defects_mean,
                                     study.spares_used_mean),
             .x_label = "defects on a wafer",
             .y_label = "wafers",
             .counts = study.defects_histogram})));
  }
  if (arguments.json()) {
    PrintText(JsonText(YieldJson(it, study)) + "\n");
  } else {
    PrintYield(it, study);
  }
  return absl::OkStatus();
}

std::vector<Flag> SiliconFlags() {
  return {
      IntegerFlag("seed", "N", "seed of the random defects", {}).Default(1),
      ChoiceFlag("statistics", "LAW", "clustered (negative binomial by die) or independent defects",
                 {"clustered", "poisson"})
          .Default("clustered"),
      ChoiceFlag("repair", "UNIT",
                 "what a spare replaces; what the hardware file says if not given",
                 {"core", "row-of-die", "row-of-wafer"}),
      NumberFlag("density", "D", "defects per mm2; what the hardware file says if not given",
                 {0, 1}),
      SvgFlag()};
}

}  // namespace

Command YieldCommand() {
  Command command{.words = "wafer yield",
                  .summary = "Draw many wafers with defects, repair them, count what can be sold",
                  .flags = SiliconFlags(),
                  .examples = {"waferctl wafer yield --wafers 100000 --repair core"},
                  .run = RunYield};
  command.flags.insert(command.flags.begin(), HardwareFlag());
  command.flags.push_back(
      IntegerFlag("wafers", "N", "how many to draw", {1, silicon::kMaxWafers}).Default(10000));
  return command;
}

Command MapCommand() {
  Command command{
      .words = "wafer map",
      .summary = "Draw one wafer: dies, defects, repair, and with --model what is on it",
      .flags = SiliconFlags(),
      .examples = {"waferctl wafer map --model llama-3.1-8b --svg map.svg"},
      .run = RunMap};
  for (Flag& flag : PlacementFlags()) {
    flag.required = false;
    const bool always = flag.name == "hardware" || flag.name == "model";
    command.flags.push_back(always ? flag : flag.With("model"));
  }
  command.flags.push_back(
      IntegerFlag("place", "N", "which wafer of the pipeline", {0, placement::kMaxWafers - 1})
          .Default(0)
          .With("model"));
  return command;
}

}  // namespace waferline::cli
