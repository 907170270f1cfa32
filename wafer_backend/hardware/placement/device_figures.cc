#include "wafer_backend/hardware/placement/device_figures.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/split_side.h"
#include "wafer_backend/hardware/silicon/hardware_file.h"
#include "wafer_backend/hardware/timing/batch_costs.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"
#include "wafer_backend/hardware/timing/serving_rate.h"
#include "wafer_backend/hardware/timing/weight_types.h"

namespace waferline::placement {
namespace {

using silicon::PublishedFigures;
using Measure = PublishedFigures::Measure;

absl::Status CheckTask(const DeviceTask& task) {
  constexpr int64_t kMax = int64_t{1} << 31;
  WL_RETURN_IF_ERROR(timing::CheckShape(task.shape));
  if (task.hardware.accelerator() == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(task.hardware.name, " is a wafer, must be an accelerator"));
  }
  for (const auto& [name, value] : {std::pair("kv", task.kv),
                                    {"users", task.users},
                                    {"prompt", task.prompt},
                                    {"generate", task.generate}}) {
    if (value >= 1 && value <= kMax) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is ", value, ", must lie in [1, ", kMax, "]"));
  }
  return absl::OkStatus();
}

// Of a pipeline's requests one after another: first token, then the others.
double PipelineRate(const DeviceTask& task, const DeviceFigures& figures) {
  const auto generate = static_cast<double>(task.generate);
  return static_cast<double>(task.users) * generate /
         (figures.first_token_seconds + (generate - 1) * figures.token_seconds);
}

void AddRates(const DeviceTask& task, const timing::BatchCosts& costs, DeviceFigures* out) {
  timing::ServingLoad load{.prompt = task.prompt, .generate = task.generate};
  out->first_token_seconds = timing::FirstTokenSeconds(costs, load);
  if (out->pipeline) {
    out->tokens_per_second = PipelineRate(task, *out);
    return;
  }
  const double memory = out->devices * task.hardware.accelerator()->memory_bytes.value;
  // Where the memory that servers leave does not hold a request of that length there is no rate.
  if (const auto most = timing::ServingRateOf(costs, memory, load); most.ok()) {
    out->full_per_second = most->tokens_per_second;
  }
  load.users = task.users;
  if (const auto rate = timing::ServingRateOf(costs, memory, load); rate.ok()) {
    out->tokens_per_second = rate->tokens_per_second;
  }
}

std::string NameOf(const std::string& hardware, const PublishedFigures& from,
                   const PublishedFigures::Figure& figure) {
  const std::string over = from.over ? absl::StrCat(" over ", from.over->devices, " x ",
                                                    from.over->hardware, " ", from.over->weights)
                                     : "";
  return absl::StrCat(from.model, " ", from.weights, " on ", from.devices, " x ", hardware, over,
                      ", ", figure.prompt, " in, ", figure.generate, " out, ",
                      figure.users == 0 ? "maximum load" : absl::StrCat(figure.users, " at once"));
}

double PredictedOf(const PublishedFigures::Figure& figure, const DeviceFigures& at) {
  switch (figure.measure) {
    case Measure::kFirstTokenMs:
      return 1e3 * at.first_token_seconds;
    case Measure::kTokenMs:
      return 1e3 * at.token_seconds;
    case Measure::kTokensPerSecond:
      return figure.users == 0 ? at.full_per_second : at.tokens_per_second;
  }
  return 0;
}

const char* UnitOf(const PublishedFigures& from, Measure measure) {
  if (from.over) return measure == Measure::kTokensPerSecond ? "x tokens/s" : "x the time";
  if (measure == Measure::kTokensPerSecond) return "tokens/s";
  return measure == Measure::kFirstTokenMs ? "ms to first token" : "ms a token";
}

// What `figure` is on `devices` of `hardware` with weights of type `weights`.
absl::StatusOr<double> PredictionOf(DeviceTask task, const std::string& weights,
                                    const PublishedFigures::Figure& figure) {
  WL_ASSIGN_OR_RETURN(task.bytes_per_weight, timing::BytesPerWeight(weights));
  task.kv = figure.prompt + figure.generate / 2;
  task.users = std::max<int64_t>(1, figure.users);
  task.prompt = figure.prompt;
  task.generate = figure.generate;
  WL_ASSIGN_OR_RETURN(const DeviceFigures at, FiguresOf(task));
  return PredictedOf(figure, at);
}

absl::Status AddChecks(const silicon::Hardware& hardware, const PublishedFigures& from,
                       std::vector<CheckedFigure>* checked) {
  WL_ASSIGN_OR_RETURN(const timing::ModelSizes shape, timing::LoadModelShape(from.model));
  WL_ASSIGN_OR_RETURN(const double bytes_per_kv_value, timing::BytesPerWeight(from.kv));
  const auto on = [&](const silicon::Hardware& machine, int devices) {
    return DeviceTask{.shape = shape,
                      .hardware = machine,
                      .devices = devices,
                      .bytes_per_kv_value = bytes_per_kv_value};
  };
  silicon::Hardware baseline;
  if (from.over) {
    WL_ASSIGN_OR_RETURN(baseline, silicon::LoadHardware(from.over->hardware));
  }
  for (const PublishedFigures::Figure& figure : from.figures) {
    WL_ASSIGN_OR_RETURN(double predicted,
                        PredictionOf(on(hardware, from.devices), from.weights, figure));
    if (from.over) {
      WL_ASSIGN_OR_RETURN(const double theirs, PredictionOf(on(baseline, from.over->devices),
                                                            from.over->weights, figure));
      predicted /= theirs;
    }
    checked->push_back({NameOf(hardware.name, from, figure), &from, figure.value, predicted,
                        UnitOf(from, figure.measure)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DeviceFigures> FiguresOf(const DeviceTask& task) {
  WL_RETURN_IF_ERROR(CheckTask(task));
  WL_ASSIGN_OR_RETURN(const SplitSide side,
                      SideOf({.shape = task.shape,
                              .hardware = task.hardware,
                              .part = timing::LayerPart::kWhole,
                              .devices = task.devices,
                              .context = std::max(task.kv, task.prompt + task.generate),
                              .bytes_per_weight = task.bytes_per_weight,
                              .bytes_per_kv_value = task.bytes_per_kv_value}));
  DeviceFigures out{.devices = side.devices,
                    .pipeline = side.by_layer,
                    .weight_bytes = side.memory.front().weight_bytes,
                    .users_by_memory = side.UsersByMemory(task.kv),
                    .watts = side.watts,
                    .usd_per_hour = side.usd_per_hour};
  out.token_seconds = StepSeconds(side, timing::LayersOf(task.shape).kind_of, task.users, task.kv);
  AddRates(task,
           timing::BatchCostsOf(task.shape, *task.hardware.accelerator(),
                                {.devices = side.devices,
                                 .bytes_per_weight = task.bytes_per_weight,
                                 .bytes_per_kv_value = task.bytes_per_kv_value}),
           &out);
  return out;
}

absl::StatusOr<std::vector<CheckedFigure>> CheckFigures(const silicon::Hardware& hardware) {
  std::vector<CheckedFigure> checked;
  if (hardware.accelerator() == nullptr) return checked;
  for (const PublishedFigures& from : hardware.accelerator()->checks) {
    const absl::Status status = AddChecks(hardware, from, &checked);
    if (status.ok()) continue;
    return absl::Status(status.code(), absl::StrCat(hardware.name, ": check: ", from.model, ": ",
                                                    status.message()));
  }
  return checked;
}

}  // namespace waferline::placement
