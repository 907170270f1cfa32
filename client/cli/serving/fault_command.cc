#include "client/cli/serving/fault_command.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <iterator>

#include "client/cli/frame/arguments.h"
#include "client/cli/serving/server_flags.h"
#include "wafer_backend/base/status.h"

namespace waferline::cli {
namespace {

absl::Status SendFault(const Arguments& arguments) {
  sdk::FaultSpec fault{.kind = arguments.operand(0)};
  const auto& kinds = sdk::kFaultKinds;
  if (std::find(std::begin(kinds), std::end(kinds), fault.kind) == std::end(kinds)) {
    std::string names;
    for (const std::string_view kind : kinds)
      names += (names.empty() ? "" : ", ") + std::string(kind);
    return UsageError("no fault is called \"" + fault.kind + "\"; there are " + names);
  }
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
  fault.links = integer("links");
  fault.spare_wafers = integer("spare-wafers");
  fault.watts = number("watts");
  fault.clock_share = number("clock-share");
  WL_ASSIGN_OR_RETURN(const auto client, ClientOf(arguments));
  WL_ASSIGN_OR_RETURN(fault.model, ModelOf(arguments, *client));
  WL_RETURN_IF_ERROR(client->ApplyFault(fault));
  if (arguments.json()) {
    const boost::json::object said = {
        {"applied", fault.kind}, {"model", fault.model}, {"index", fault.index}};
    printf("%s\n", boost::json::serialize(said).c_str());
  } else {
    printf("%s: applied to number %u of model %s\n", fault.kind.c_str(), fault.index,
           fault.model.c_str());
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> FaultCommands() {
  constexpr int64_t kMost = 1 << 20;
  Command command{.words = "faults send",
                  .summary = "Break, slow or repair emulated hardware of a running waferd",
                  .operands = {"KIND"},
                  .flags = ServerFlags(),
                  .run = SendFault};
  command.flags.insert(
      command.flags.end(),
      {TextFlag("model", "NAME", "whose hardware; the server's first model if absent"),
       IntegerFlag("index", "N", "which of its prefill workers or decode units", 0, 0, kMost),
       NumberFlag("factor", "F",
                  "worker_slow, unit_slow, stage_slow: how many times as long; link_speed: of its "
                  "bandwidth",
                  std::nullopt, 0, 1e6),
       IntegerFlag("stage", "N", "stage_slow: which of the unit's pipeline", std::nullopt, 0,
                   kMost),
       IntegerFlag("place", "N", "which wafer of the unit's pipeline", std::nullopt, 0, kMost),
       IntegerFlag("links", "N", "off_wafer_link: how many fail", std::nullopt, 1, kMost),
       NumberFlag("watts", "W", "power_cap: of each wafer", std::nullopt, 1, 1e9),
       NumberFlag("clock-share", "F", "thermal: of the clock, that heat leaves", std::nullopt, 0.01,
                  1),
       IntegerFlag("spare-wafers", "N", "wafer: that stand by", std::nullopt, 0, kMost)});
  return {command};
}

}  // namespace waferline::cli
