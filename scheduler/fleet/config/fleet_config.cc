#include "scheduler/fleet/config/fleet_config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/base/yaml_optional.h"

namespace waferline::fleet {
namespace {

using Kind = engine::Fault::Kind;

using placement::FaultKind;

// Fields beyond a hardware fault's kind. Those that say nothing about it are refused as unknown.
void ReadHardwareFault(YamlForm& form, FaultKind kind, FaultConfig* out) {
  placement::Fault fault{.kind = kind};
  if (kind != FaultKind::kPowerCap) {
    fault.place = static_cast<int>(form.IntegerOr("place", 0, 0, placement::kMaxWafers - 1));
  }
  switch (kind) {
    case FaultKind::kCore:
    case FaultKind::kRow:
    case FaultKind::kDie:
      fault.column = static_cast<int>(form.IntegerOr("column", -1, -1, 65535));
      fault.row = static_cast<int>(form.IntegerOr("row", -1, -1, 65535));
      [[fallthrough]];
    case FaultKind::kWafer:
      out->spare_wafers = static_cast<int>(form.IntegerOr("spare_wafers", 1, 0, 4096));
      break;
    case FaultKind::kLink:
      fault.links = static_cast<int>(form.IntegerOr("links", 1, 1, 1024));
      break;
    case FaultKind::kPowerCap:
      fault.watts = form.Plain("watts", Range{1, 1e9});
      break;
    case FaultKind::kThermal:
      fault.clock_share = form.Plain("clock_share", Range{0.01, 1});
      break;
  }
  out->hardware = fault;
}

FaultConfig ReadFault(YamlForm form, const std::vector<LaneConfig>& models) {
  FaultConfig out;
  out.at = Nanoseconds(std::llround(form.Plain("at_s", Range{0, 1e8}) * 1e9));
  const std::string named = form.Text("fault");
  const std::optional<FaultKind> hardware = HardwareFaultNamed(named);
  if (!hardware.has_value() && !named.empty()) {
    // Those of hardware are named for the error only.
    out.fault.kind = ChoiceOr<Kind>(form, "fault", Kind::kUnitLost,
                                    {{"worker_lost", Kind::kWorkerLost},
                                     {"worker_back", Kind::kWorkerBack},
                                     {"worker_slow", Kind::kWorkerSpeed},
                                     {"unit_lost", Kind::kUnitLost},
                                     {"unit_back", Kind::kUnitBack},
                                     {"unit_slow", Kind::kUnitSpeed},
                                     {"stage_slow", Kind::kStageSpeed},
                                     {"link_speed", Kind::kLinkSpeed},
                                     {"core", Kind::kUnitLost},
                                     {"row", Kind::kUnitLost},
                                     {"die", Kind::kUnitLost},
                                     {"wafer", Kind::kUnitLost},
                                     {"off_wafer_link", Kind::kUnitSpeed},
                                     {"power_cap", Kind::kUnitSpeed},
                                     {"thermal", Kind::kUnitSpeed}});
  }
  if (form.Has("model")) {
    const std::string model = form.Text("model");
    bool known = false;
    for (size_t i = 0; i < models.size(); ++i) {
      if (models[i].model != model) continue;
      out.fault.lane = static_cast<uint32_t>(i);
      known = true;
    }
    if (!known) form.AddError("model", "must be one of the fleet's models");
  } else if (models.size() > 1) {
    form.AddError("model", "is needed: the fleet serves several");
  }
  out.fault.index = static_cast<uint32_t>(form.IntegerOr("index", 0, 0, 1 << 20));
  if (hardware.has_value()) {
    ReadHardwareFault(form, *hardware, &out);
    form.RefuseOthers();
    return out;
  }
  switch (out.fault.kind) {
    case Kind::kStageSpeed:
      out.fault.stage = static_cast<uint32_t>(form.Integer("stage", 0, 1 << 20));
      [[fallthrough]];
    case Kind::kWorkerSpeed:
    case Kind::kUnitSpeed:
      out.fault.factor = form.Plain("factor", Range{1e-3, 1e5});
      break;
    case Kind::kLinkSpeed:
      out.fault.factor = form.Plain("factor", Range{0, 1e5});
      break;
    default:
      break;  // a factor would have no effect, and is refused as unknown
  }
  form.RefuseOthers();
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

std::optional<FaultKind> HardwareFaultNamed(std::string name) {
  if (name == "off_wafer_link") return FaultKind::kLink;
  if (name == "link") return std::nullopt;  // could be taken for the KV link
  std::replace(name.begin(), name.end(), '_', '-');
  const auto kind = placement::ParseFaultKind(name);
  return kind.ok() ? std::optional(*kind) : std::nullopt;
}

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
  for (const char* field : {"listen", "clock", "limits", "flat_errors", "api_keys"}) {
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

absl::StatusOr<std::string> WithOverrides(std::string_view yaml,
                                          const std::vector<Override>& overrides) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(yaml));
    if (documents.size() != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("has ", documents.size(), " YAML documents, must have one"));
    }
    YAML::Node root = documents.front();
    for (const auto& [path, value] : overrides) {
      YAML::Node at;
      at.reset(root);
      for (size_t begin = 0;;) {
        const size_t dot = path.find('.', begin);
        const std::string step = path.substr(begin, dot == std::string::npos ? dot : dot - begin);
        if (at.IsSequence()) {
          const bool number = !step.empty() && step.size() < 7 &&
                              step.find_first_not_of("0123456789") == std::string::npos;
          if (!number || std::stoul(step) >= at.size()) {
            return absl::InvalidArgumentError(absl::StrCat(
                path, ": \"", step, "\" is no index of a list with ", at.size(), " entries"));
          }
          at.reset(at[std::stoul(step)]);
        } else if (step.empty() || (at.IsDefined() && !at.IsMap() && !at.IsNull())) {
          return absl::InvalidArgumentError(
              absl::StrCat(path, ": nothing can stand below \"", path.substr(0, begin), "\""));
        } else {
          at.reset(at[step]);
        }
        if (dot == std::string::npos) break;
        begin = dot + 1;
      }
      at = YAML::Load(value);
    }
    return YAML::Dump(root);
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(e.what());
  }
}

}  // namespace waferline::fleet
