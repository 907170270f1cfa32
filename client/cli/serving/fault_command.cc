// waferctl faults send: changes the emulated hardware of a running waferd.
#include <boost/json.hpp>

#include "client/cli/frame/output.h"
#include "client/cli/serving/server_flags.h"
#include "client/cli/serving/serving_commands.h"
#include "client/sdk/fault_kinds.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

std::vector<Flag> FaultFlags() {
  constexpr int64_t kMax = 1 << 20;
  return {
      TextFlag("model", "NAME", "whose hardware; the server's first model if not given"),
      IntegerFlag("index", "N", "which of its prefill workers or decode units, from 0", {0, kMax})
          .Default(0),
      NumberFlag("factor", "F",
                 "worker_slow, unit_slow, stage_slow, attention_side, ffn_side: how many times as "
                 "long things take, from 1; "
                 "link_speed: share of its bandwidth that is left, 0 to 1",
                 {0, 1e6}),
      IntegerFlag("stage", "N", "stage_slow: which stage of the unit's pipeline", {0, kMax}),
      IntegerFlag("place", "N", "which wafer of the unit's pipeline", {0, kMax}),
      IntegerFlag("column", "C", "core, row, die: of the mesh; the middle if not given", {0, kMax}),
      IntegerFlag("row", "R", "core, row, die: of the mesh; the middle if not given", {0, kMax}),
      IntegerFlag("links", "N", "off_wafer_link: how many fail", {1, kMax}),
      NumberFlag("watts", "W", "power_cap: the cap of each wafer", {1, 1e9}),
      NumberFlag("clock-share", "F", "thermal: share of the clock that heat leaves", {0.01, 1}),
      IntegerFlag("spare-wafers", "N", "wafer: how many wafers are on standby", {0, kMax})};
}

// How what was sent ends.
std::string_view EndOf(v1::FaultKind kind) {
  switch (kind) {
    case v1::FAULT_KIND_WORKER_LOST:
      return "until worker_back is sent";
    case v1::FAULT_KIND_UNIT_LOST:
      return "until unit_back is sent";
    case v1::FAULT_KIND_WORKER_SLOW:
    case v1::FAULT_KIND_UNIT_SLOW:
    case v1::FAULT_KIND_STAGE_SLOW:
    case v1::FAULT_KIND_LINK_SPEED:
    case v1::FAULT_KIND_ATTENTION_SIDE:
    case v1::FAULT_KIND_FFN_SIDE:
      return "until the same is sent with --factor 1";
    case v1::FAULT_KIND_WORKER_BACK:
    case v1::FAULT_KIND_UNIT_BACK:
      return "it works again";
    case v1::FAULT_KIND_WAFER:
      return "down until a spare has its weights, or until unit_back where nothing takes its place";
    case v1::FAULT_KIND_POWER_CAP:
    case v1::FAULT_KIND_THERMAL:
    case v1::FAULT_KIND_OFF_WAFER_LINK:
      return "slower, if it is what limits the unit, until unit_slow --factor 1 is sent";
    default:
      return "down until it has been laid out again, then slower (until unit_slow --factor 1)";
  }
}

absl::Status SendFault(const Arguments& arguments) {
  const auto kind = sdk::ParseFaultKind(arguments.operand(0));
  if (!kind.ok()) return UsageError(std::string(kind.status().message()));
  sdk::FaultSpec fault{.kind = sdk::FaultKindName(*kind)};
  const auto integer = [&](const char* flag) -> std::optional<uint32_t> {
    if (!arguments.Has(flag)) return std::nullopt;
    return static_cast<uint32_t>(arguments.Integer(flag));
  };
  const auto number = [&](const char* flag) -> std::optional<double> {
    if (!arguments.Has(flag)) return std::nullopt;
    return arguments.Number(flag);
  };
  fault.index = static_cast<uint32_t>(arguments.Integer("index"));
  fault.factor = number("factor");
  fault.stage = integer("stage");
  fault.place = integer("place");
  fault.column = integer("column");
  fault.row = integer("row");
  fault.links = integer("links");
  fault.spare_wafers = integer("spare-wafers");
  fault.watts = number("watts");
  fault.clock_share = number("clock-share");
  WL_ASSIGN_OR_RETURN(const auto client, ClientOf(arguments));
  WL_ASSIGN_OR_RETURN(fault.model, ModelOf(arguments, *client));
  WL_RETURN_IF_ERROR(NamedByFlags(client->ApplyFault(fault), FaultFlags()));
  if (arguments.json()) {
    const boost::json::object applied = {
        {"applied", fault.kind}, {"model", fault.model}, {"index", fault.index}};
    PrintText(JsonText(applied) + "\n");
  } else {
    Print("applied {} to index {} of model {}: {}\n", fault.kind, fault.index, fault.model,
          fault.factor == 1.0 ? EndOf(v1::FAULT_KIND_UNIT_BACK) : EndOf(*kind));
  }
  return absl::OkStatus();
}

}  // namespace

Command FaultsSendCommand() {
  Command command{.words = "faults send",
                  .summary = "Break, slow or repair a part of the emulated hardware",
                  .operands = {{"KIND", "what happens", sdk::FaultKindNames()}},
                  .flags = ServerFlags(),
                  .examples = {"waferctl faults send unit_lost --index 0",
                               "waferctl faults send unit_back --index 0",
                               "waferctl faults send link_speed --factor 0.5"},
                  .run = SendFault};
  const std::vector<Flag> own = FaultFlags();
  command.flags.insert(command.flags.end(), own.begin(), own.end());
  return command;
}

}  // namespace waferline::cli
