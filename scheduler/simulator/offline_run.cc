#include "scheduler/simulator/offline_run.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "scheduler/fleet/config/fleet_config.h"
#include "scheduler/simulator/offline_cloud.h"
#include "scheduler/simulator/report_json.h"
#include "scheduler/simulator/writers.h"
#include "wafer_backend/base/files.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"

namespace waferline::simulator {
namespace {

constexpr int kSlices = 400;  // of a run, between which progress is reported

double PeakMemoryBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

std::vector<std::string> NotesOf(const OfflineInput& input, const fleet::FleetConfig& fleet) {
  const std::string& model =
      input.settings.model.empty() ? fleet.models.front().model : input.settings.model;
  const auto name = [](std::string* out, const fleet::LaneConfig& lane) {
    out->append(lane.model);
  };
  return {absl::StrCat(input.config_name, " is a server's configuration; not simulated: ",
                       absl::StrJoin(fleet.not_simulated, ", ")),
          absl::StrCat("models: ", absl::StrJoin(fleet.models, ", ", name),
                       "; requests that name none are for ", model)};
}

// The files that a run writes, and the observers that write them.
class Writers {
 public:
  absl::Status Open(const OfflineFiles& files, const Timeline* clock,
                    const std::vector<engine::LaneSpec>& lanes) {
    if (!files.requests_csv.empty()) {
      WL_RETURN_IF_ERROR(csv_file_.Open(files.requests_csv));
      csv_ = std::make_unique<RequestsCsv>(&csv_file_.stream());
    }
    if (!files.timeline.empty()) {
      WL_RETURN_IF_ERROR(timeline_file_.Open(files.timeline));
      timeline_ = std::make_unique<PerfettoTimeline>(&timeline_file_.stream(), clock, lanes);
    }
    return absl::OkStatus();
  }
  std::vector<engine::EngineObserver*> observers() const {
    std::vector<engine::EngineObserver*> all;
    for (engine::EngineObserver* writer : {csv_.get(), timeline_.get()}) {
      if (writer != nullptr) all.push_back(writer);
    }
    return all;
  }
  absl::Status Close() {
    timeline_.reset();  // closes its document
    if (csv_file_.is_open()) WL_RETURN_IF_ERROR(csv_file_.Close());
    if (timeline_file_.is_open()) WL_RETURN_IF_ERROR(timeline_file_.Close());
    return absl::OkStatus();
  }

 private:
  OutputFile csv_file_, timeline_file_;
  std::unique_ptr<engine::EngineObserver> csv_, timeline_;
};

}  // namespace

std::string HashOf(const std::string& text) {
  uint64_t hash = 0;
  for (const char c : text) hash = Mix(hash ^ static_cast<unsigned char>(c));
  char out[17];
  std::snprintf(out, sizeof(out), "%016lx", static_cast<unsigned long>(hash));
  return out;
}

absl::StatusOr<OfflineResult> RunOffline(const OfflineInput& input, const OfflineHooks& hooks) {
  const double begin = hooks.wall_seconds();
  WL_ASSIGN_OR_RETURN(const fleet::FleetConfig fleet,
                      fleet::ParseFleetConfig(input.config_name, input.config));
  WL_ASSIGN_OR_RETURN(const auto cloud, OfflineCloud::Build(fleet));
  const OfflineSettings& settings = input.settings;
  const std::vector<engine::LaneSpec> lanes = cloud->Lanes();
  Writers writers;
  WL_RETURN_IF_ERROR(writers.Open(input.files, cloud->timeline(), lanes));
  ReplayOptions options = cloud->Options();
  options.speed_up = settings.speed_up;
  options.repeat = settings.repeat;
  options.seed = settings.seed;
  options.default_model = settings.model;
  options.objectives = settings.objectives;
  options.observers = writers.observers();
  options.observers.insert(options.observers.end(), input.observers.begin(), input.observers.end());

  WL_ASSIGN_OR_RETURN(const auto run,
                      Replay::Create(options, cloud->timeline(), lanes, input.trace));
  const double whole_ns = input.trace->span.as_double() * settings.repeat / settings.speed_up;
  const Nanoseconds slice(std::max<int64_t>(1, std::llround(whole_ns / kSlices)));
  const double started = hooks.wall_seconds();
  OfflineResult out;
  while (!out.stopped && run->Advance(slice)) {
    if (hooks.progress) hooks.progress(*run);
    out.stopped = hooks.stop && hooks.stop(*run);
  }
  const double simulated = hooks.wall_seconds() - started;
  out.raw = run->MakeReport(cloud->Power());
  WL_RETURN_IF_ERROR(writers.Close());

  out.report = ToJson(out.raw);
  boost::json::object& receipt = out.report["receipt"].as_object();
  receipt["config_hash"] = HashOf(input.config);
  receipt["version"] = settings.program_version;
  if (!fleet.not_simulated.empty()) {
    receipt["not_simulated"] = boost::json::value_from(fleet.not_simulated);
    out.notes = NotesOf(input, fleet);
  }
  boost::json::array labels;
  for (const std::string& label : cloud->Labels()) labels.emplace_back(label);
  out.report["fleet"] = std::move(labels);
  out.report["run"] = {{"simulation_seconds", simulated},
                       {"seconds", hooks.wall_seconds() - begin},
                       {"emulated_over_wall", out.raw.seconds() / std::max(1e-9, simulated)},
                       {"peak_memory_bytes", PeakMemoryBytes()}};
  return out;
}

}  // namespace waferline::simulator
