// waferctl wafer faults: what each sort of fault costs a model on its wafers.
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "client/cli/charts/placement_chart.h"
#include "client/cli/frame/arguments.h"
#include "client/cli/wafer/placement_commands.h"
#include "client/cli/wafer/placement_flags.h"
#include "client/cli/wafer/wafer_commands.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/faults.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using placement::Fault;
using placement::FaultCost;
using placement::FaultKind;
using placement::FaultSetting;

json::object Json(FaultKind kind, const FaultCost& c, const placement::Placement& p) {
  json::array remapped;
  for (const size_t i : c.remapped) remapped.push_back(json::value(NameOf(p.pieces[i])));
  return {{"kind", placement::NameOf(kind)},
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

void Print(FaultKind kind, const FaultCost& c) {
  printf("%-10s", placement::NameOf(kind).c_str());
  if (c.serving) {
    printf(" tokens/s a user %8.1f -> %8.1f (slowdown %.4f)", c.user_before, c.user_after,
           c.slowdown);
    printf(", stands still %.3f s\n", c.downtime_seconds());
  } else {
    printf(" the replica is down; all users together %.1f -> %.1f tokens/s\n", c.aggregate_before,
           c.aggregate_after);
  }
  printf("           %s\n", c.story.c_str());
  if (c.serving && c.downtime_seconds() > 0) {
    printf(
        "           detect %.3f s + reconfigure %.3f s + reload weights %.4f s + prefill again "
        "%.3f s\n",
        c.detect_seconds, c.reconfigure_seconds, c.reload_seconds, c.prefill_seconds);
  }
  if (c.weight_bytes_lost > 0) {
    printf(
        "           lost: %.4g MB of KV (%lld sequences, %lld positions to prefill again), %.4g "
        "MB of weights; %zu regions remapped\n",
        c.kv_bytes_lost * 1e-6, static_cast<long long>(c.sequences_hit),
        static_cast<long long>(c.positions_to_prefill), c.weight_bytes_lost * 1e-6,
        c.remapped.size());
  }
}

Fault FaultOf(FaultKind kind, const Arguments& arguments, const silicon::WaferSpec& wafer) {
  Fault fault{.kind = kind,
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

absl::Status RunFaults(const Arguments& arguments) {
  std::vector<FaultKind> kinds(std::begin(placement::kAllFaultKinds),
                               std::end(placement::kAllFaultKinds));
  if (arguments.Has("kind")) {
    const absl::StatusOr<FaultKind> kind = placement::ParseFaultKind(arguments.Text("kind"));
    if (!kind.ok()) return UsageError("--kind: " + std::string(kind.status().message()));
    kinds = {*kind};
  }
  WL_ASSIGN_OR_RETURN(const ModelOnWafers it, ReadPlacementFlags(arguments));
  WL_ASSIGN_OR_RETURN(const silicon::Hardware device,
                      silicon::LoadHardware(arguments.Text("prefill-hardware")));
  if (device.accelerator() == nullptr) {
    return UsageError("--prefill-hardware " + device.name + " is a wafer, must be an accelerator");
  }
  const placement::PlacementTask task = it.Task();
  WL_ASSIGN_OR_RETURN(const placement::Placement p, placement::Place(task));
  WL_ASSIGN_OR_RETURN(const FaultSetting setting, SettingOf(arguments, it.wafer()));
  json::array faults;
  if (!arguments.json()) {
    printf("%s, profile %s: %lld user(s), context %lld, prefill on %s\n",
           it.Title(p.wafers()).c_str(), it.profile.name.c_str(), static_cast<long long>(it.users),
           static_cast<long long>(it.context), device.name.c_str());
  }
  for (const FaultKind kind : kinds) {
    WL_ASSIGN_OR_RETURN(
        const FaultCost cost,
        CostOfFault(task, p, *device.accelerator(), FaultOf(kind, arguments, it.wafer()), setting));
    if (arguments.json()) {
      faults.push_back(Json(kind, cost, p));
    } else {
      Print(kind, cost);
    }
  }
  if (arguments.json()) {
    printf("%s\n", json::serialize(json::object{{"model", it.shape.name},
                                                {"hardware", it.hardware.name},
                                                {"profile", it.profile.name},
                                                {"weights", it.weights},
                                                {"context", it.context},
                                                {"users", it.users},
                                                {"wafers", p.wafers()},
                                                {"prefill_hardware", device.name},
                                                {"faults", faults}})
                       .c_str());
  }
  return absl::OkStatus();
}

}  // namespace

Command FaultsCommand() {
  const FaultSetting usual;
  Command command{.words = "wafer faults",
                  .summary = "What a dead core, row, die, wafer or link, a power cap or heat costs",
                  .flags = PlacementFlags(),
                  .run = RunFaults};
  command.flags.insert(command.flags.begin() + 1, HardwareFlag());
  command.flags.insert(
      command.flags.end(),
      {TextFlag("kind", "KIND", "core, row, die, wafer, link, power-cap or thermal; else all"),
       IntegerFlag("place", "N", "which wafer of the pipeline", 0, 0, placement::kMaxWafers - 1),
       IntegerFlag("column", "C", "of the mesh; -1: the middle", -1, -1, 65535),
       IntegerFlag("row", "R", "of the mesh; -1: the middle", -1, -1, 65535),
       IntegerFlag("links", "N", "off-wafer links that fail", 1, 1, usual.off_wafer_links),
       NumberFlag("watts", "W", "the cap of a wafer; default: 80 % of decoding", std::nullopt, 1,
                  1e9),
       NumberFlag("clock-share", "F", "of the clock, that heat leaves", 0.8, 0.01, 1),
       IntegerFlag("seed", "N", "also draw the defects that the wafer came with", std::nullopt, 0,
                   INT64_MAX),
       IntegerFlag("spare-wafers", "N", "that stand by", usual.spare_wafers, 0, 4096),
       TextFlag("prefill-hardware", "NAME|FILE", "what computes lost KV again", "h100"),
       IntegerFlag("prefill-groups", "N", "of such devices, each with the whole model",
                   usual.prefill_groups, 1, 1'000'000),
       NumberFlag("detect-seconds", "S", "until a fault is known", usual.detect_seconds, 0, 1e6),
       NumberFlag("reconfigure-seconds", "S", "for new routes and programs",
                  usual.reconfigure_seconds, 0, 1e6),
       NumberFlag("failover-seconds", "S", "until traffic leaves a dead link",
                  usual.failover_seconds, 0, 1e6),
       NumberFlag("idle-power-share", "F", "of decode power, at any clock", usual.idle_power_share,
                  0, 0.99)});
  return command;
}

}  // namespace waferline::cli
