#include <boost/json.hpp>

#include "client/cli/sim/search_report.h"
#include "scheduler/engine/snapshot.h"
#include "scheduler/simulator/offline_run.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;

json::object SizeJson(const search::FleetSize& size) {
  return {{"usd_per_hour", size.usd_per_hour},
          {"watts", size.watts},
          {"systems", size.systems},
          {"fleet", size.label}};
}

json::object AnswerJson(const FinderInput& input, const FoundFleet& found) {
  const size_t best = *found.result.best;
  json::object fields;
  for (const auto& [path, value] : search::OverridesOf(input.axes, found.candidates[best].place)) {
    fields[path] = value;
  }
  json::array changes;
  for (const NextChange& change : found.changes) {
    changes.push_back(
        {{"path", change.path},
         {"from", change.from},
         {"to", change.to},
         {"requests_per_second", change.rate_factor * found.offered_per_second},
         {"gain_per_second", (change.rate_factor - found.rate.factor) * found.offered_per_second},
         {"size", SizeJson(change.size)}});
  }
  const std::vector<search::Binding>& devices = found.saturation.trial.devices;
  json::value binding;
  if (!devices.empty()) {
    binding = {{"device", devices[0].device},
               {"resource", devices[0].resource},
               {"share", devices[0].share}};
  }
  json::value longer;
  if (found.longer) {
    longer = {{"requests", found.longer->requests},
              {"holds_up_to_per_second", found.longer->held_per_second}};
  }
  return {{"variant", std::move(fields)},
          {"size", SizeJson(found.sizes[best])},
          {"trial", search::ToJson(found.trials.at(best))},
          {"holds_up_to_per_second", found.rate.factor * found.offered_per_second},
          {"holds_at_any_rate", found.rate.unbounded},
          {"over_requests", OfferedBy(input.run)},
          {"longer", std::move(longer)},
          {"headroom_share", found.rate.factor - 1},
          {"saturation_per_second", found.saturation.trial.completed_per_second},
          {"binding", std::move(binding)},
          {"next_changes", std::move(changes)}};
}

}  // namespace

json::object SearchJson(const FinderInput& input, const FoundFleet& found) {
  json::array slo, axes, tried;
  for (const search::SloTerm& term : input.slo) slo.emplace_back(term.text);
  for (const search::Axis& axis : input.axes) {
    axes.push_back({{"path", axis.path},
                    {"values", json::value_from(axis.values)},
                    {"bisected", axis.ordered && !input.options.exhaustive}});
  }
  for (const auto& [candidate, trial] : found.trials) {
    json::object entry = search::ToJson(trial);
    entry["variant"] = LabelOf(input, found, candidate);
    entry["size"] = SizeJson(found.sizes[candidate]);
    tried.push_back(std::move(entry));
  }
  json::object out{{"slo", std::move(slo)},
                   {"minimise", MinimisedName(input.minimise)},
                   {"vary", std::move(axes)},
                   {"variants", found.variants},
                   {"tried", std::move(tried)},
                   {"inferred", found.result.inferred},
                   {"costlier", found.result.costlier},
                   {"unbuildable", found.unbuildable},
                   {"inference_refuted", found.result.refuted},
                   {"offered_per_second", found.offered_per_second},
                   {"feasible", found.result.best.has_value()}};
  if (found.result.best) {
    out["answer"] = AnswerJson(input, found);
  } else {
    out["reason"] = InfeasibleText(input, found);
  }
  out["receipt"] = {{"config_hash", simulator::HashOf(input.run.config)},
                    {"trace_hash", engine::DigestText(input.run.trace->hash)},
                    {"seed", input.run.settings.seed},
                    {"repeat", input.run.settings.repeat},
                    {"speed_up", input.run.settings.speed_up},
                    {"at_a_time", input.options.at_a_time},
                    {"version", input.run.settings.program_version}};
  out["run"] = {{"simulated", found.simulated}, {"from_journal", found.remembered}};
  return out;
}

}  // namespace waferline::cli
