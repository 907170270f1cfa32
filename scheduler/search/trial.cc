#include "scheduler/search/trial.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "absl/strings/str_join.h"
#include "scheduler/simulator/offline_cloud.h"
#include "wafer_backend/base/status.h"

namespace waferline::search {
namespace {

namespace json = boost::json;

// Nine significant digits: what a journal keeps and gives back to the last bit.
double Nine(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return std::strtod(text, nullptr);
}

std::vector<Binding> Fullest(const simulator::Report& report) {
  std::vector<Binding> all;
  for (const simulator::DeviceUse& device : report.devices) {
    const bool memory = device.kv_share > device.busy_share;
    all.push_back({device.name, memory ? "KV memory" : "busy",
                   Nine(memory ? device.kv_share : device.busy_share)});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Binding& a, const Binding& b) { return a.share > b.share; });
  return all;
}

double FigureMs(const SloTerm& term, const simulator::Report& report) {
  const LogHistogram* const of[] = {&report.ttft, &report.tpot, &report.e2e};
  const LogHistogram& times = *of[static_cast<size_t>(term.latency)];
  return Nine(times.Percentile(term.share()).as_double() * 1e-6);
}

Trial Judge(const TrialInput& input, const SloWatch& watch, const simulator::Report& report) {
  Trial trial{.offered = static_cast<uint64_t>(input.run.trace->requests.size()) *
                         input.run.settings.repeat,
              .unanswered = watch.unanswered()};
  trial.holds = !watch.Hopeless(trial.offered);
  for (size_t i = 0; i < input.slo->size(); ++i) {
    const SloWatch::Term& term = watch.terms()[i];
    trial.terms.push_back({term.late, FigureMs((*input.slo)[i], report), term.met == 0});
  }
  const double seconds = std::max(1e-9, report.seconds());
  trial.completed_per_second = Nine(static_cast<double>(report.completed) / seconds);
  trial.mean_watts = Nine(report.energy_joules() / seconds);
  trial.devices = Fullest(report);
  return trial;
}

}  // namespace

absl::StatusOr<FleetSize> SizeOf(const std::string& config_name, const std::string& config) {
  WL_ASSIGN_OR_RETURN(const fleet::FleetConfig fleet, fleet::ParseFleetConfig(config_name, config));
  WL_ASSIGN_OR_RETURN(const auto cloud, simulator::OfflineCloud::Build(fleet));
  FleetSize size{.label = absl::StrJoin(cloud->Labels(), "; ")};
  const auto add = [&size](const std::vector<simulator::DevicePower>& devices) {
    for (const simulator::DevicePower& device : devices) {
      size.usd_per_hour += device.usd_per_hour;
      size.watts += device.watts_busy;
      size.systems += device.systems;
    }
  };
  for (const simulator::LanePower& lane : cloud->Power()) {
    add(lane.workers);
    add(lane.units);
  }
  return size;
}

bool Trial::too_small() const {
  return !holds && std::any_of(terms.begin(), terms.end(), [](const TermOutcome& term) {
    return term.late > 0 && !term.by_speed;
  });
}

json::object ToJson(const Trial& trial) {
  json::array terms, devices;
  for (const TermOutcome& term : trial.terms) {
    terms.push_back(
        {{"late", term.late}, {"figure_ms", term.figure_ms}, {"by_speed", term.by_speed}});
  }
  for (const Binding& device : trial.devices) {
    devices.push_back(
        {{"device", device.device}, {"resource", device.resource}, {"share", device.share}});
  }
  return {{"holds", trial.holds},
          {"stopped_early", trial.stopped},
          {"offered", trial.offered},
          {"unanswered", trial.unanswered},
          {"completed_per_second", trial.completed_per_second},
          {"mean_watts", trial.mean_watts},
          {"terms", std::move(terms)},
          {"devices", std::move(devices)}};
}

std::optional<Trial> TrialFromJson(const json::object& document, size_t terms) {
  try {
    Trial trial{
        .offered = document.at("offered").to_number<uint64_t>(),
        .unanswered = document.at("unanswered").to_number<uint64_t>(),
        .holds = document.at("holds").as_bool(),
        .stopped = document.at("stopped_early").as_bool(),
        .completed_per_second = Nine(document.at("completed_per_second").to_number<double>()),
        .mean_watts = Nine(document.at("mean_watts").to_number<double>())};
    for (const json::value& term : document.at("terms").as_array()) {
      trial.terms.push_back({term.at("late").to_number<uint64_t>(),
                             Nine(term.at("figure_ms").to_number<double>()),
                             term.at("by_speed").as_bool()});
    }
    for (const json::value& device : document.at("devices").as_array()) {
      trial.devices.push_back({json::value_to<std::string>(device.at("device")),
                               json::value_to<std::string>(device.at("resource")),
                               Nine(device.at("share").to_number<double>())});
    }
    if (trial.terms.size() != terms) return std::nullopt;
    return trial;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

absl::StatusOr<Trial> RunTrial(const TrialInput& input,
                               const std::function<double()>& wall_seconds) {
  SloWatch watch(*input.slo);
  simulator::OfflineInput run = input.run;
  run.observers.push_back(&watch);
  const uint64_t offered = static_cast<uint64_t>(run.trace->requests.size()) * run.settings.repeat;
  simulator::OfflineHooks hooks{.wall_seconds = wall_seconds};
  if (!input.to_the_end) {
    hooks.stop = [&](const simulator::Replay&) { return watch.Hopeless(offered); };
  }
  WL_ASSIGN_OR_RETURN(const simulator::OfflineResult result, simulator::RunOffline(run, hooks));
  Trial trial = Judge(input, watch, result.raw);
  trial.stopped = result.stopped;
  return trial;
}

}  // namespace waferline::search
