#include "wafer_backend/hardware/placement/prediction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/request_model.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::placement {
namespace {

struct ParameterRange {
  double low = 0, value = 0, high = 0;
};
ParameterRange RangeOf(const Fact& fact) { return {fact.low, fact.value, fact.high}; }

// Moves one parameter after another to the ends of its range.
class Spread {
 public:
  Spread(const RequestModel& model, Parameters nominal)
      : model_(model), moved_(std::move(nominal)), at_(model.Evaluate(moved_)) {}

  const RequestFigures& nominal() const { return at_; }

  template <typename Change>  // void(Parameters*, double value)
  void Vary(const std::string& name, const ParameterRange& range, Change change) {
    Move(name, range, change, [this] { return model_.Evaluate(moved_); });
  }
  // What no time depends on.
  template <typename Change>
  void VaryExpense(const std::string& name, const ParameterRange& range, Change change) {
    Move(name, range, change, [this] {
      RequestFigures out = at_;
      model_.Derive(moved_, &out);
      return out;
    });
  }

  Estimate Of(Figure figure) const {
    const double value = at_.figures[figure];
    // Root-sum-square of large falls can pass zero; no figure here does.
    return {value, std::max(value - std::sqrt(down_[figure]), 0.05 * value),
            value + std::sqrt(up_[figure])};
  }

  std::vector<Influence> TakeInfluences() {
    std::sort(influences_.begin(), influences_.end(), [](const Influence& a, const Influence& b) {
      return std::abs(a.at_high - a.at_low) > std::abs(b.at_high - b.at_low);
    });
    return std::move(influences_);
  }

 private:
  template <typename Change, typename Evaluate>  // RequestFigures() of moved_
  void Move(const std::string& name, const ParameterRange& range, Change change,
            Evaluate evaluate) {
    if (range.low == range.high) return;
    change(&moved_, range.low);
    const RequestFigures at_low = evaluate();
    change(&moved_, range.high);
    const RequestFigures at_high = evaluate();
    change(&moved_, range.value);
    if (at_low.figures == at_.figures && at_high.figures == at_.figures) return;
    for (size_t i = 0; i < kFigures; ++i) {
      const double a = at_low.figures[i] - at_.figures[i], b = at_high.figures[i] - at_.figures[i];
      const double down = std::min({a, b, 0.0}), up = std::max({a, b, 0.0});
      down_[i] += down * down;
      up_[i] += up * up;
    }
    influences_.push_back({name, at_low.figures[kUser], at_high.figures[kUser]});
  }

  const RequestModel& model_;
  Parameters moved_;  // nominal but while one is moved
  const RequestFigures at_;
  std::array<double, kFigures> down_{}, up_{};
  std::vector<Influence> influences_;
};

// What times depend on. Sizes (geometry, SRAM) are not here: they decide where layers lie, and a
// prediction is of one placement, with their values.
struct WaferFact {
  const char* name;
  Fact silicon::WaferSpec::*fact;
  bool of_cores;
};
constexpr WaferFact kTimed[] = {
    {"clock", &silicon::WaferSpec::clock_hz, true},
    {"lanes of a core", &silicon::WaferSpec::simd_fp16_lanes, true},
    {"SRAM bytes a cycle", &silicon::WaferSpec::sram_bytes_per_core_cycle, true},
    {"cycles of a hop", &silicon::WaferSpec::hop_cycles, true},
    {"cycles of a ramp", &silicon::WaferSpec::ramp_cycles, true},
    {"link bytes a cycle", &silicon::WaferSpec::link_bytes_per_cycle, true},
    {"wafer-to-wafer latency", &silicon::WaferSpec::wafer_to_wafer_seconds, false},
    {"I/O of a wafer", &silicon::WaferSpec::io_bytes_per_second, false}};

void VaryAll(const PredictionTask& task, Spread* spread) {
  const silicon::WaferSpec& w = task.wafer;
  const double scale = task.profile.constants.layer_scale, error = 2 * task.profile.spread;
  spread->Vary("kernel cycles", {scale * (1 - std::min(error, 0.9)), scale, scale * (1 + error)},
               [](Parameters* p, double v) { p->profile.constants.layer_scale = v; });
  for (const WaferFact& one : kTimed) {
    // A profile that was fitted to speed at the nominal clock has that clock and mesh in its
    // constants.
    if (one.of_cores && task.profile.anchored) continue;
    spread->Vary(one.name, RangeOf(w.*one.fact),
                 [&one](Parameters* p, double v) { (p->wafer.*one.fact).value = v; });
  }
  spread->Vary("softmax cycles a score", RangeOf(task.profile.softmax_score_cycles),
               [](Parameters* p, double v) { p->profile.softmax_score_cycles.value = v; });
  spread->Vary("tokens a step", RangeOf(task.profile.tokens_per_step),
               [](Parameters* p, double v) { p->profile.tokens_per_step.value = v; });
  spread->VaryExpense("watts", RangeOf(w.power_decode_watts),
                      [](Parameters* p, double v) { p->wafer.power_decode_watts.value = v; });
  spread->VaryExpense("price of an hour", RangeOf(w.usd_per_system_hour),
                      [](Parameters* p, double v) { p->wafer.usd_per_system_hour.value = v; });
}

absl::Status AddPrefill(const PredictionTask& task, Prediction* out) {
  for (const silicon::Hardware& hardware : task.prefill_devices) {
    const silicon::AcceleratorSpec* device = hardware.accelerator();
    if (device == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(hardware.name, " is a wafer; prefill devices are accelerators"));
    }
    WL_ASSIGN_OR_RETURN(const timing::PrefillCosts costs,
                        timing::PrefillCostsOf(task.shape, *device, task.bytes_per_weight));
    const double seconds = ToSeconds(costs.ChunkTime(Tokens(task.prompt), Tokens(0)));
    out->prefill.push_back({hardware.name, costs.devices, seconds * 1e3,
                            ToSeconds(costs.TransferTime(Tokens(task.prompt))) * 1e3,
                            seconds * costs.devices * device->power_watts.value,
                            static_cast<double>(task.prompt) / seconds});
  }
  return absl::OkStatus();
}

absl::Status CheckTask(const PredictionTask& task) {
  constexpr int64_t kMaxTokens = int64_t{1} << 31;
  const auto check = [](const char* name, int64_t value) {
    if (value >= 1 && value <= kMaxTokens) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is ", value, ", must lie in [1, ", kMaxTokens, "]"));
  };
  WL_RETURN_IF_ERROR(check("kv", task.kv));
  WL_RETURN_IF_ERROR(check("users", task.users));
  WL_RETURN_IF_ERROR(check("prompt", task.prompt));
  WL_RETURN_IF_ERROR(check("generate", task.generate));
  if (task.prompt + task.generate - 1 > kMaxTokens) {
    return absl::InvalidArgumentError(absl::StrCat("prompt and generate are ", task.prompt, " and ",
                                                   task.generate,
                                                   ", together they must not exceed ", kMaxTokens));
  }
  if (static_cast<double>(task.kv) * static_cast<double>(task.users) > 1e15) {
    return absl::InvalidArgumentError("kv times users must be at most 1e15 positions");
  }
  if (task.prefill_grid != 0 && !task.profile.shared_grid) {
    return absl::InvalidArgumentError(absl::StrCat(
        "prefill grid is ", task.prefill_grid, ", but profile ", task.profile.name,
        " gives each layer a region of its own; only profiles whose layers share grids (open) can "
        "be given one"));
  }
  const double edge = std::min(task.wafer.grid_columns.value, task.wafer.grid_rows.value);
  if (task.prefill_grid < 0 || task.prefill_grid > edge) {
    return absl::InvalidArgumentError(absl::StrCat("prefill grid is ", task.prefill_grid,
                                                   ", must lie in [1, ", edge,
                                                   "], or be 0 for the fastest"));
  }
  return timing::CheckShape(task.shape);
}

}  // namespace

absl::StatusOr<Prediction> Predict(const PredictionTask& task) {
  WL_RETURN_IF_ERROR(CheckTask(task));
  // Room for the longest that KV gets, speed at `kv`.
  PlacementTask room = PlacementTaskOf(task, task.wafer, task.profile);
  room.context = std::max(task.kv, task.prompt + task.generate - 1);
  WL_ASSIGN_OR_RETURN(const Placement placement, Place(room));
  const RequestModel model(task, placement);
  Spread spread(model, {task.wafer, task.profile});
  VaryAll(task, &spread);

  Prediction out;
  out.wafers = placement.wafers();
  out.stages = static_cast<int>(task.shape.layers) + 1;
  out.latency = spread.nominal().parts;
  out.request_ms = spread.nominal().request;
  out.tokens_per_step = task.profile.tokens_per_step.value;
  out.stage_us = spread.nominal().stage_seconds * 1e6;
  out.decode_grid = static_cast<int>(spread.nominal().grid_side);
  out.prefill_grid = model.prefill_grid();
  out.users_before_slowdown = std::max<int64_t>(
      1, static_cast<int64_t>(spread.nominal().pass_seconds /
                              (out.tokens_per_step * spread.nominal().stage_seconds)));
  for (const SramUse& use : placement.sram) {
    out.weight_gigabytes += (use.weights + use.embedding_and_output) * 1e-9;
  }
  out.users_by_memory = UsersByMemory(placement, task.users);
  out.tokens_per_second = spread.Of(kUser);
  out.aggregate_per_second = spread.Of(kAggregate);
  // As many users as do not slow each other, or fewer if no more fit.
  const double fitting = std::min(1.0, static_cast<double>(out.users_by_memory) /
                                           static_cast<double>(out.users_before_slowdown));
  const Estimate full = spread.Of(kFull);
  out.full_per_second = {full.value * fitting, full.low * fitting, full.high * fitting};
  out.ttft_wafer_ms = spread.Of(kTtft);
  out.request_total_ms = spread.Of(kRequest);
  out.end_to_end_per_second = spread.Of(kEndToEnd);
  out.watts = spread.Of(kWatts);
  out.joules_per_token = spread.Of(kJoules);
  out.usd_per_million_tokens = spread.Of(kUsd);
  out.influences = spread.TakeInfluences();
  WL_RETURN_IF_ERROR(AddPrefill(task, &out));
  return out;
}

}  // namespace waferline::placement
