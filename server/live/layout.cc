#include "server/live/layout.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/hardware/placement/placement.h"
#include "wafer_backend/hardware/silicon/defects.h"
#include "wafer_backend/hardware/silicon/repair.h"

namespace waferline::live {
namespace {

namespace json = boost::json;
using placement::Part;
using placement::PlacedPiece;

std::string LabelOf(const PlacedPiece& piece) {
  if (piece.part == Part::kEmbedding) return "emb";
  return piece.part == Part::kOutput ? "out" : std::to_string(piece.layer);
}

// `stage`: of the unit's pipeline. The embedding is not a stage of its own: the first one waits for
// it.
json::array StagesOf(const placement::Placement& placed) {
  json::array stages;
  int next = 0;
  for (const PlacedPiece& piece : placed.pieces) {
    const placement::Rectangle& r = piece.region;
    stages.push_back(json::object{{"label", LabelOf(piece)},
                                  {"place", piece.place},
                                  {"stage", piece.part == Part::kEmbedding ? next : next++},
                                  {"region", json::array{r.column, r.row, r.columns, r.rows}},
                                  {"weight_bytes", piece.weight_bytes},
                                  {"capacity_bytes", piece.capacity_bytes}});
  }
  return stages;
}

// FNV-1a: the same wafer at each start.
uint64_t SeedOf(const std::string& name) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

json::object WaferOf(const silicon::WaferSpec& spec, const silicon::CoreGrid& grid, uint64_t seed) {
  const double area = spec.side_mm.value * spec.side_mm.value;
  const auto defects =
      silicon::DrawDefects(grid, area, silicon::DefectLawOf(spec, true), SeededStream(seed));
  const silicon::RepairedWafer repaired = silicon::Repair(grid, defects);
  json::array points;
  for (const silicon::Defect& defect : defects) {
    points.push_back(json::array{defect.column, defect.row, defect.link ? 1 : 0});
  }
  return {{"defects", std::move(points)},
          {"dead_cores", repaired.dead_cores},
          {"dead_links", repaired.dead_links},
          {"spares_used", repaired.spares_used},
          {"switched_off", repaired.switched_off}};
}

// Appends the units of one entry of `decode:`.
void AddUnits(const std::string& model, const fleet::LaneDevices::Group& group, int* drawn,
              json::array* units) {
  const silicon::WaferSpec* const spec = group.hardware->wafer();
  for (int i = 0; i < group.config->units; ++i) {
    const std::string name = absl::StrCat(model, "/", group.config->name, "-", i);
    json::object unit{{"name", name},
                      {"hardware", group.hardware->name},
                      {"kind", group.config->split ? "split"
                               : spec != nullptr   ? "wafer"
                                                   : "accelerator"}};
    if (spec == nullptr) {
      units->push_back(std::move(unit));
      continue;
    }
    const placement::Placement& placed = *group.placement;
    unit["places"] = placed.depth;
    unit["tensor"] = placed.tensor;
    unit["mesh"] = json::array{placed.mesh.columns, placed.mesh.rows};
    if (i == 0) unit["stages"] = StagesOf(placed);  // the group's others lie alike
    const auto repair = silicon::ParseGranularity(spec->repair_granularity.value);
    const auto grid = repair.ok() ? silicon::CoreGrid::Of(*spec, *repair) : repair.status();
    json::array wafers;
    for (int place = 0; grid.ok() && place < placed.depth && *drawn < kMaxDrawn; ++place) {
      ++*drawn;
      wafers.push_back(WaferOf(*spec, *grid, SeedOf(absl::StrCat(name, "/", place))));
    }
    if (grid.ok()) {
      unit["grid"] = json::array{grid->columns, grid->rows};
      unit["dies"] = json::array{grid->die_columns, grid->die_rows};
      unit["repair"] = spec->repair_granularity.value;
    }
    unit["wafers"] = std::move(wafers);
    units->push_back(std::move(unit));
  }
}

}  // namespace

std::string LayoutJson(const std::vector<LayoutModel>& models) {
  json::array all;
  int drawn = 0;
  for (const LayoutModel& model : models) {
    json::array units;
    for (const fleet::LaneDevices::Group& group : model.devices->Groups()) {
      AddUnits(model.name, group, &drawn, &units);
    }
    all.push_back(json::object{{"model", model.name},
                               {"label", model.label},
                               {"computed", model.computed},
                               {"context", model.devices->context().count()},
                               {"units", std::move(units)}});
  }
  return JsonText(json::object{{"models", std::move(all)}});
}

}  // namespace waferline::live
