// waferctl wafer faults: what each sort of fault costs a model on its wafers.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

#include "absl/strings/str_join.h"
#include "client/cli/charts/placement_chart.h"
#include "client/cli/frame/output.h"
#include "client/cli/wafer/model_flags.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/faults.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using placement::FaultCost;
using placement::FaultKind;
using placement::FaultSetting;
using placement::HardwareFault;

json::object Json(FaultKind kind, const FaultCost& c, const placement::Placement& p) {
  json::array remapped;
  for (const size_t i : c.remapped) remapped.push_back(json::value(NameOf(p.pieces[i])));
  return {{"kind", std::string(NameIn(placement::kFaultNames, kind))},
          {"serving", c.serving},
          {"story", c.story},
          {"slowdown", c.slowdown},
          {"tokens_per_second", {{"before", c.user_before}, {"after", c.user_after}}},
          {"aggregate_tokens_per_second",
           {{"before", c.aggregate_before}, {"after", c.aggregate_after}}},
          {"full_tokens_per_second", {{"before", c.full_before}, {"after", c.full_after}}},
          {"downtime_seconds",
           {{"total", c.downtime_seconds()},
            {"detect", c.detect_seconds},
            {"reconfigure", c.reconfigure_seconds},
            {"reload_weights", c.reload_seconds},
            {"prefill_again", c.prefill_seconds}}},
          {"kv_bytes_lost", c.kv_bytes_lost},
          {"weight_bytes_lost", c.weight_bytes_lost},
          {"sequences_hit", c.sequences_hit},
          {"positions_to_prefill", c.positions_to_prefill},
          {"extra_hops", c.extra_hops},
          {"wafers_after", c.wafers_after},
          {"remapped", remapped}};
}

void PrintCost(FaultKind kind, const FaultCost& c) {
  Print("{}: {}\n", NameIn(placement::kFaultNames, kind), c.story);
  if (!c.serving) {
    Print("  the replica is down; all users together {:.1f} -> {:.1f} tokens/s\n",
          c.aggregate_before, c.aggregate_after);
  } else {
    Print("  {:.1f} -> {:.1f} tokens/s a user (slowdown {:.4f}), no tokens for {:.3f} s\n",
          c.user_before, c.user_after, c.slowdown, c.downtime_seconds());
  }
  if (c.serving && c.downtime_seconds() > 0) {
    Print(
        "  detect {:.3f} s + reconfigure {:.3f} s + reload weights {:.4f} s + prefill again "
        "{:.3f} s\n",
        c.detect_seconds, c.reconfigure_seconds, c.reload_seconds, c.prefill_seconds);
  }
  if (c.weight_bytes_lost > 0) {
    Print(
        "  lost: {:.4g} MB of KV ({}, {} tokens to prefill again), {:.4g} MB of weights; {} "
        "remapped\n",
        c.kv_bytes_lost * 1e-6, Counted(c.sequences_hit, "sequence"), c.positions_to_prefill,
        c.weight_bytes_lost * 1e-6, Counted(static_cast<int64_t>(c.remapped.size()), "region"));
  }
}

HardwareFault FaultOf(FaultKind kind, const Arguments& arguments, const silicon::WaferSpec& wafer) {
  HardwareFault fault{.kind = kind,
                      .place = static_cast<int>(arguments.Integer("place")),
                      .column = static_cast<int>(arguments.Integer("column")),
                      .row = static_cast<int>(arguments.Integer("row")),
                      .links = static_cast<int>(arguments.Integer("links")),
                      .watts = 0.8 * wafer.power_decode_watts.value,
                      .clock_share = arguments.Number("clock-share")};
  if (arguments.Has("watts")) fault.watts = arguments.Number("watts");
  return fault;
}

absl::StatusOr<FaultSetting> SettingOf(const Arguments& arguments,
                                       const silicon::WaferSpec& wafer) {
  FaultSetting setting{.detect_seconds = arguments.Number("detect-seconds"),
                       .reconfigure_seconds = arguments.Number("reconfigure-seconds"),
                       .failover_seconds = arguments.Number("failover-seconds"),
                       .idle_power_share = arguments.Number("idle-power-share"),
                       .spare_wafers = static_cast<int>(arguments.Integer("spare-wafers")),
                       .prefill_groups = static_cast<int>(arguments.Integer("prefill-groups"))};
  if (!arguments.Has("seed")) return setting;
  WL_ASSIGN_OR_RETURN(const silicon::Granularity granularity,
                      silicon::ParseGranularity(wafer.repair_granularity.value));
  WL_ASSIGN_OR_RETURN(const silicon::CoreGrid grid, silicon::CoreGrid::Of(wafer, granularity));
  setting.defects = silicon::DrawDefects(
      grid, wafer.side_mm.value * wafer.side_mm.value, silicon::DefectLawOf(wafer, true),
      SeededStream(static_cast<uint64_t>(arguments.Integer("seed"))));
  return setting;
}

absl::StatusOr<std::vector<FaultKind>> KindsOf(const Arguments& arguments) {
  if (!arguments.Has("kind")) {
    std::vector<FaultKind> kinds;
    for (const auto& [name, kind] : placement::kFaultNames) kinds.push_back(kind);
    return kinds;
  }
  const std::string given = arguments.Text("kind");
  const auto kind = ValueNamed(placement::kFaultNames, given);
  if (!kind) return UsageError("--kind: " + NotOneOf(given, NamesOf(placement::kFaultNames)));
  return std::vector<FaultKind>{*kind};
}

absl::StatusOr<silicon::Hardware> ReadPrefillDevice(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(silicon::Hardware device,
                      silicon::LoadHardware(arguments.Text("prefill-hardware")));
  if (device.accelerator() != nullptr) return device;
  return UsageError("--prefill-hardware: " + device.name + " is a wafer, must be an accelerator");
}

absl::Status RunFaults(const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const std::vector<FaultKind> kinds, KindsOf(arguments));
  WL_ASSIGN_OR_RETURN(const ModelOnWafers it, ReadPlacementFlags(arguments));
  WL_ASSIGN_OR_RETURN(const silicon::Hardware device, ReadPrefillDevice(arguments));
  const placement::PlacementTask task = it.Task();
  WL_ASSIGN_OR_RETURN(const placement::Placement p, placement::Place(task));
  WL_ASSIGN_OR_RETURN(FaultSetting setting, SettingOf(arguments, it.wafer()));
  setting.prefill = device.accelerator();
  json::array faults;
  if (!arguments.json()) {
    Print("{}: {}, prefill on {}\n", it.Title(p.wafers()), it.Load(), device.name);
  }
  for (const FaultKind kind : kinds) {
    WL_ASSIGN_OR_RETURN(const FaultCost cost,
                        CostOfFault(task, p, FaultOf(kind, arguments, it.wafer()), setting));
    if (arguments.json()) {
      faults.push_back(Json(kind, cost, p));
    } else {
      PrintCost(kind, cost);
    }
  }
  if (arguments.json()) {
    PrintText(JsonText(json::object{{"model", it.shape.name},
                                    {"hardware", it.hardware.name},
                                    {"profile", it.profile.name},
                                    {"weights", it.weights},
                                    {"context", it.context},
                                    {"users", it.users},
                                    {"wafers", p.wafers()},
                                    {"prefill_hardware", device.name},
                                    {"faults", faults}}) +
              "\n");
  }
  return absl::OkStatus();
}

}  // namespace

Command FaultsCommand() {
  const FaultSetting usual;
  std::vector<std::string> kinds;
  for (const auto& [name, kind] : placement::kFaultNames) kinds.emplace_back(name);
  Command command{
      .words = "wafer faults",
      .summary = "What each kind of fault costs a model: dead cores, links, wafers, heat",
      .flags = PlacementFlags(),
      .examples = {"waferctl wafer faults --model llama-3.1-70b --users 4",
                   "waferctl wafer faults --model llama-3.1-70b --kind wafer "
                   "--spare-wafers 1"},
      .run = RunFaults};
  command.flags.insert(
      command.flags.end(),
      {TextFlag("kind", "KIND", "only this kind: " + absl::StrJoin(kinds, ", ")).Suggest(kinds),
       IntegerFlag("place", "N", "which wafer of the pipeline fails",
                   {0, placement::kMaxWafers - 1})
           .Default(0),
       IntegerFlag("column", "N", "where on the mesh; -1: the middle", {-1, 65535}).Default(-1),
       IntegerFlag("row", "N", "where on the mesh; -1: the middle", {-1, 65535}).Default(-1),
       IntegerFlag("links", "N", "off-wafer links that fail", {1, usual.off_wafer_links})
           .Default(1),
       NumberFlag("watts", "W", "power cap of a wafer; 80 % of its decode power if not given",
                  {1, 1e9}),
       NumberFlag("clock-share", "F", "share of the clock that heat leaves", {0.01, 1})
           .Default(0.8),
       IntegerFlag("seed", "N", "also draw the defects that the wafer was made with", {}),
       IntegerFlag("spare-wafers", "N", "wafers on standby", {0, 4096}).Default(usual.spare_wafers),
       TextFlag("prefill-hardware", "NAME|FILE", "what computes lost KV again")
           .Suggest(silicon::BuiltInHardware())
           .Default("h100"),
       IntegerFlag("prefill-groups", "N", "groups of such devices, each with the whole model",
                   {1, 1'000'000})
           .Default(usual.prefill_groups),
       NumberFlag("detect-seconds", "S", "time until a fault is noticed", {0, 1e6})
           .Default(usual.detect_seconds),
       NumberFlag("reconfigure-seconds", "S", "time for new routes and programs", {0, 1e6})
           .Default(usual.reconfigure_seconds),
       NumberFlag("failover-seconds", "S", "time until traffic leaves a dead link", {0, 1e6})
           .Default(usual.failover_seconds),
       NumberFlag("idle-power-share", "F", "share of the decode power used at any clock", {0, 0.99})
           .Default(usual.idle_power_share)});
  return command;
}

}  // namespace waferline::cli
