#include "scheduler/fleet/config/fleet_config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/base/yaml_optional.h"

namespace waferline::fleet {
namespace {

// The lane of the model that a fault hits; the only one if the file serves a single model.
engine::LaneIndex ReadLaneIndex(YamlForm& form, const std::vector<LaneConfig>& models) {
  if (!form.Has("model")) {
    if (models.size() > 1) form.AddError("model", "is missing: the fleet serves several models");
    return {};
  }
  const std::string given = form.Text("model");
  std::vector<std::string_view> names;
  for (const LaneConfig& lane : models) names.push_back(lane.model);
  const auto found = std::find(names.begin(), names.end(), given);
  if (found != names.end()) return {static_cast<uint32_t>(found - names.begin())};
  form.AddError("model", NotOneOf(given, names));
  return {};
}

FaultConfig ReadFault(YamlForm form, const std::vector<LaneConfig>& models) {
  const Nanoseconds at(std::llround(form.Plain("at_s", Range{0, 1e8}) * 1e9));
  FaultRequest request{.kind = form.Text("fault"),
                       .index = static_cast<uint32_t>(form.IntegerOr("index", 0, 0, 1 << 20))};
  for (const FaultField& field : FaultFields()) {
    const std::string name(field.name);
    if (form.Has(name)) request.*field.value = form.Plain(name, Range{});
  }
  const engine::LaneIndex lane = ReadLaneIndex(form, models);
  form.RefuseOthers();
  FaultConfig out;
  if (request.kind.empty()) return out;  // its absence is an error of the form already
  const absl::StatusOr<CheckedFault> checked = CheckFault(request);
  if (!checked.ok()) {
    form.AddError(FieldOf(checked.status()), Std(checked.status().message()));
    return out;
  }
  static_cast<CheckedFault&>(out) = *checked;
  out.at = at;
  out.fault.lane = lane;
  return out;
}

// Of where a server's tokens come from, offline only their model's context counts.
void ReadTokens(YamlForm form, const std::filesystem::path& folder, LaneConfig* lane) {
  const bool computed = TextOr(form, "from", "shards") != "cheap";
  const std::string file = form.Text("file");
  if (computed && lane->context == Tokens()) {
    lane->computed_file = (folder / file).lexically_normal().string();
  }
}

}  // namespace

absl::StatusOr<FleetConfig> ParseFleetConfig(const std::string& name, std::string_view yaml) {
  const std::filesystem::path folder = std::filesystem::path(name).parent_path();
  YamlFile file(name, yaml);
  YamlForm root = file.root();
  FleetConfig out;
  std::set<std::string> names;
  for (YamlForm& form : root.List("models")) {
    LaneConfig lane = ReadLane(form, folder);
    if (form.Has("tokens")) ReadTokens(form.Map("tokens"), folder, &lane);
    if (form.Has("tokens")) {
      out.not_simulated.push_back(absl::StrCat("models[", out.models.size(), "].tokens"));
    }
    if (!names.insert(lane.model).second) form.AddError("name", "is used by another model");
    form.RefuseOthers();
    out.models.push_back(std::move(lane));
  }
  if (root.Has("models") && out.models.empty()) root.AddError("models", "needs at least one entry");
  for (const char* field : {"listen", "clock", "limits", "flat_errors", "usage_at_finish",
                            "clip_max_tokens", "unknown_fields", "billing", "api_keys"}) {
    if (root.Has(field)) out.not_simulated.emplace_back(field);
  }
  if (!out.not_simulated.empty()) out.max_sequences = kServerMaxSequences;
  if (root.Has("limits")) {
    out.max_sequences = static_cast<uint32_t>(
        root.Map("limits").IntegerOr("max_sequences", out.max_sequences, 1, 1 << 20));
  }
  out.max_sequences =
      static_cast<uint32_t>(root.IntegerOr("max_sequences", out.max_sequences, 1, 1 << 22));
  out.idle_power_share = PlainOr(root, "idle_power_share", out.idle_power_share, Range{0, 1});
  if (root.Has("faults")) {
    for (YamlForm& form : root.List("faults")) {
      out.faults.push_back(ReadFault(std::move(form), out.models));
    }
  }
  root.RefuseOthers();
  if (absl::Status status = file.status(); !status.ok()) return status;
  return out;
}

}  // namespace waferline::fleet
