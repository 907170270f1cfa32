#include "wafer_backend/hardware/timing/prediction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/timing/region_cost.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::timing {
namespace {

constexpr double kBytesPerActivation = 2;

// Whatever may be uncertain, as plain numbers.
struct Parameters {
  KernelModel kernels;
  double clock_hz = 0;
  double wafer_hop_seconds = 0;
  double tokens_per_step = 1;
  double watts_per_wafer = 0;
  double usd_per_hour = 0;
};

enum Figure : size_t {
  kUser,
  kAggregate,
  kFull,
  kTtft,
  kRequest,
  kEndToEnd,
  kWatts,
  kJoules,
  kUsd,
  kFigures,
};

struct Outcome {
  std::array<double, kFigures> figures{};
  LatencyParts parts;
  RequestParts request;
  double stage_seconds = 0;
};

// Of a window of `window` positions (0: all), how many tokens at first .. first + count - 1 cached
// positions see on average.
double MeanSeen(double first, double count, double window) {
  const double last = first + count - 1;
  if (window == 0 || last <= window) return (first + last) / 2;
  if (first >= window) return window;
  const double growing = window - first;
  return (growing * (first + window - 1) / 2 + (count - growing) * window) / count;
}

class Model {
 public:
  Model(const PredictionTask& task, ModelLayers layers, WaferLayout layout)
      : task_(task), layers_(std::move(layers)), layout_(std::move(layout)) {
    for (const LayoutGroup& group : layout_.groups) Merge(group);
  }

  const WaferLayout& layout() const { return layout_; }

  Outcome Evaluate(const Parameters& p) const {
    Outcome out;
    const double us = 1e6 / p.clock_hz;
    const double kv = static_cast<double>(task_.kv);
    const double passes = static_cast<double>(task_.generate - 1);
    double slowest = 0, request_attention = 0;
    for (const LayoutGroup& group : groups_) {
      const LayerKind& kind = layers_.kinds[group.kind];
      const Grid grid =
          GridOf(p.kernels, task_.wafer, task_.profile, kind, group, task_.needs.bytes_per_weight);
      const LayerCost cost = CostOfLayer(p.kernels, task_.wafer, kind, grid.region);
      const double seen = kind.window > 0 ? std::min(kv, static_cast<double>(kind.window)) : kv;
      const double attention = cost.cycles_per_position * seen;
      out.parts.start += group.layers * us * cost.cycles.start;
      out.parts.allreduces += group.layers * us * cost.cycles.allreduces;
      out.parts.weights += group.layers * us * cost.cycles.weights;
      out.parts.attention += group.layers * us * attention;
      slowest = std::max(slowest, grid.layers_in_turn * (cost.cycles.total() + attention));
      if (passes > 0) {
        const double window = static_cast<double>(kind.window);
        request_attention += group.layers * cost.cycles_per_position *
                             MeanSeen(static_cast<double>(task_.prompt), passes, window);
      }
    }
    const double output = OutputCycles(p.kernels, task_.shape, VocabularyParameters(task_.shape),
                                       RegionOf(layout_.head_cores));
    const double embedding =
        EmbeddingCycles(p.kernels, task_.shape, RegionOf(layout_.groups.front().cores_each));
    out.parts.embedding_and_output = us * (output + embedding);
    out.stage_seconds = std::max(slowest, output) / p.clock_hz;
    // A hop to each next wafer and, for the token's id, back to the first.
    if (layout_.wafers > 1) {
      const double sending = static_cast<double>(task_.shape.hidden) * kBytesPerActivation /
                             task_.wafer.io_bytes_per_second.value;
      out.parts.wafer_hops =
          1e6 * (layout_.wafers * p.wafer_hop_seconds + (layout_.wafers - 1) * sending);
    }
    LatencyParts& parts = out.parts;
    parts.total = parts.start + parts.allreduces + parts.weights + parts.attention +
                  parts.embedding_and_output + parts.wafer_hops;
    const double pass_ms =
        1e-3 * (parts.total - parts.attention + us * request_attention) / p.tokens_per_step;
    out.request.first_token = 1e3 * PrefillSeconds(p);
    out.request.transition = passes > 0 ? 1e3 * TransitionSeconds(p) : 0;
    out.request.decode = passes * pass_ms;
    out.request.total = out.request.first_token + out.request.transition + out.request.decode;
    Derive(p, &out);
    return out;
  }

 private:
  // Layers alike on as many cores cost the same wherever they are; on many wafers most are.
  void Merge(const LayoutGroup& group) {
    for (LayoutGroup& have : groups_) {
      if (have.kind == group.kind && have.layers_on_wafer == group.layers_on_wafer &&
          std::abs(have.cores_each - group.cores_each) < 1e-6 * group.cores_each) {
        have.layers += group.layers;
        return;
      }
    }
    groups_.push_back(group);
  }

  Region RegionOf(double cores) const { return {cores, task_.needs.bytes_per_weight}; }

  void Derive(const Parameters& p, Outcome* out) const {
    const double users = static_cast<double>(task_.users);
    const double pass = out->parts.total * 1e-6;
    const double user = p.tokens_per_step / std::max(pass, users * out->stage_seconds);
    const double watts = p.watts_per_wafer * layout_.wafers;
    auto& f = out->figures;
    f[kUser] = user;
    f[kAggregate] = user * users;
    f[kFull] = p.tokens_per_step / out->stage_seconds;
    f[kTtft] = out->request.first_token;
    f[kRequest] = out->request.total;
    f[kEndToEnd] = 1e3 * static_cast<double>(task_.generate) / out->request.total;
    f[kWatts] = watts;
    f[kJoules] = watts / f[kAggregate];
    f[kUsd] = p.usd_per_hour * layout_.wafers / 3600 / f[kAggregate] * 1e6;
  }

  // Every core sends its part along its row to where decode wants it, all wafers at once.
  double TransitionSeconds(const Parameters& p) const {
    const double cores = task_.wafer.grid_columns.value * task_.wafer.grid_rows.value;
    double kv_values = 0;
    for (const LayoutGroup& group : groups_) {
      const LayerKind& kind = layers_.kinds[group.kind];
      const double prompt = static_cast<double>(task_.prompt);
      const double kept = kind.window > 0 ? std::min<double>(kind.window, prompt) : prompt;
      kv_values += group.layers * kind.kv_values_per_position * kept;
    }
    double bytes = kv_values * task_.needs.bytes_per_kv_value;
    if (task_.profile.shared_grid) bytes += layout_.weight_bytes;
    // A row of cores spans the grid that shares it: the wafer, or a layer's region.
    const double side = task_.profile.shared_grid
                            ? std::min(task_.wafer.grid_columns.value, task_.wafer.grid_rows.value)
                            : std::sqrt(groups_.front().cores_each);
    return TransitionCycles(task_.wafer, side, bytes / (cores * layout_.wafers)) / p.clock_hz;
  }

  double PrefillSeconds(const Parameters& p) const {
    const double best = task_.profile.shared_grid ? PrefillOnOneGrid(p) : PrefillInChunks(p);
    const double output = OutputCycles(p.kernels, task_.shape, VocabularyParameters(task_.shape),
                                       RegionOf(layout_.head_cores));
    const double hops = layout_.wafers > 1 ? layout_.wafers * p.wafer_hop_seconds : 0;
    return best + output / p.clock_hz + hops;
  }

  // Cycles of all layers over `fresh` tokens that see `seen`, and of the slowest one.
  struct Layers {
    double sum = 0;
    double slowest = 0;
  };
  template <typename SideOf>  // double(const LayoutGroup&)
  Layers PrefillLayers(const Parameters& p, double fresh, double seen, SideOf side_of) const {
    Layers out;
    for (const LayoutGroup& group : groups_) {
      const LayerKind& kind = layers_.kinds[group.kind];
      const double in_view =
          kind.window > 0 ? std::min(seen, static_cast<double>(kind.window) + fresh) : seen;
      const double cycles = PrefillCycles(p.kernels, kind, side_of(group), fresh, in_view);
      out.sum += group.layers * cycles;
      out.slowest = std::max(out.slowest, cycles);
    }
    return out;
  }

  // The whole prompt through layer after layer, on the best of a few grids up to the wafer's.
  double PrefillOnOneGrid(const Parameters& p) const {
    const double prompt = static_cast<double>(task_.prompt);
    const double edge = std::min(task_.wafer.grid_columns.value, task_.wafer.grid_rows.value);
    double best = std::numeric_limits<double>::max();
    for (const double share : {1.0, 0.8, 0.6, 0.4, 0.2}) {
      const double side = std::max(1.0, std::floor(edge * share));
      const auto side_of = [side](const LayoutGroup&) { return side; };
      best = std::min(best, PrefillLayers(p, prompt, prompt, side_of).sum / p.clock_hz);
    }
    return best;
  }

  // The prompt in chunks that follow each other through the layers' regions, with the chunk size
  // that is fastest: small ones fill the pipeline, large ones fill the cores.
  double PrefillInChunks(const Parameters& p) const {
    const double prompt = static_cast<double>(task_.prompt);
    const auto side_of = [](const LayoutGroup& group) {
      return std::max(1.0, std::floor(std::sqrt(group.cores_each)));
    };
    double best = std::numeric_limits<double>::max();
    for (double chunks = 1; chunks <= 4096 && chunks <= prompt; chunks *= 2) {
      const double fresh = std::ceil(prompt / chunks);
      // A chunk sees, on average, what came before the middle chunk and itself.
      const Layers layers = PrefillLayers(p, fresh, (prompt + fresh) / 2, side_of);
      const double seconds = (layers.sum + (chunks - 1) * layers.slowest) / p.clock_hz;
      if (seconds >= best) break;
      best = seconds;
    }
    return best;
  }

  const PredictionTask& task_;
  const ModelLayers layers_;
  const WaferLayout layout_;
  std::vector<LayoutGroup> groups_;  // layout_'s, those that cost the same as one
};

// Moves one parameter after another to the ends of its range.
class Spread {
 public:
  Spread(const Model& model, const Parameters& nominal)
      : model_(model), nominal_(nominal), at_(model.Evaluate(nominal)) {}

  const Outcome& nominal() const { return at_; }

  template <typename Change>  // void(Parameters*, double value)
  void Vary(const std::string& name, double low, double high, Change change) {
    if (low == high) return;
    Parameters p = nominal_;
    change(&p, low);
    const Outcome at_low = model_.Evaluate(p);
    change(&p, high);
    const Outcome at_high = model_.Evaluate(p);
    for (size_t i = 0; i < kFigures; ++i) {
      const double a = at_low.figures[i] - at_.figures[i], b = at_high.figures[i] - at_.figures[i];
      const double down = std::min({a, b, 0.0}), up = std::max({a, b, 0.0});
      down_[i] += down * down;
      up_[i] += up * up;
    }
    influences_.push_back({name, at_low.figures[kUser], at_high.figures[kUser]});
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
  const Model& model_;
  const Parameters nominal_;
  const Outcome at_;
  std::array<double, kFigures> down_{}, up_{};
  std::vector<Influence> influences_;
};

void VaryAll(const PredictionTask& task, Spread* spread) {
  const silicon::WaferSpec& w = task.wafer;
  const double scale = task.profile.constants.layer_scale, error = 2 * task.profile.spread;
  spread->Vary("kernel cycles", scale * (1 - std::min(error, 0.9)), scale * (1 + error),
               [](Parameters* p, double v) { p->kernels.constants.layer_scale = v; });
  // A profile that was fitted to speed at the nominal clock has that clock in its constants.
  if (!task.profile.anchored) {
    spread->Vary("clock", w.clock_hz.low, w.clock_hz.high,
                 [](Parameters* p, double v) { p->clock_hz = v; });
  }
  spread->Vary("wafer-to-wafer latency", w.wafer_to_wafer_seconds.low,
               w.wafer_to_wafer_seconds.high,
               [](Parameters* p, double v) { p->wafer_hop_seconds = v; });
  spread->Vary("softmax cycles a score", task.profile.softmax_score_cycles.low,
               task.profile.softmax_score_cycles.high,
               [](Parameters* p, double v) { p->kernels.softmax_score_cycles = v; });
  spread->Vary("tokens a step", task.profile.tokens_per_step.low, task.profile.tokens_per_step.high,
               [](Parameters* p, double v) { p->tokens_per_step = v; });
  spread->Vary("watts", w.power_decode_watts.low, w.power_decode_watts.high,
               [](Parameters* p, double v) { p->watts_per_wafer = v; });
  spread->Vary("price of an hour", w.usd_per_system_hour.low, w.usd_per_system_hour.high,
               [](Parameters* p, double v) { p->usd_per_hour = v; });
}

absl::Status AddPrefill(const PredictionTask& task, Prediction* out) {
  for (const silicon::Hardware& hardware : task.prefill_devices) {
    const silicon::AcceleratorSpec* device = hardware.accelerator();
    if (device == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(hardware.name, " is a wafer; prefill devices are accelerators"));
    }
    WL_ASSIGN_OR_RETURN(const PrefillCosts costs,
                        PrefillCostsOf(task.shape, *device, task.needs.bytes_per_weight));
    const double seconds = ToSeconds(costs.ChunkTime(Tokens(task.prompt), Tokens(0)));
    out->prefill.push_back({hardware.name, costs.devices, seconds * 1e3,
                            ToSeconds(costs.TransferTime(Tokens(task.prompt))) * 1e3,
                            seconds * costs.devices * device->power_watts.value,
                            static_cast<double>(task.prompt) / seconds});
  }
  return absl::OkStatus();
}

absl::Status CheckTask(const PredictionTask& task) {
  constexpr int64_t kMost = int64_t{1} << 31;
  const auto check = [](const char* name, int64_t value) {
    if (value >= 1 && value <= kMost) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is ", value, ", must lie in [1, ", kMost, "]"));
  };
  WL_RETURN_IF_ERROR(check("kv", task.kv));
  WL_RETURN_IF_ERROR(check("users", task.users));
  WL_RETURN_IF_ERROR(check("prompt", task.prompt));
  WL_RETURN_IF_ERROR(check("generate", task.generate));
  if (static_cast<double>(task.kv) * static_cast<double>(task.users) > 1e15) {
    return absl::InvalidArgumentError("kv times users must be at most 1e15 positions");
  }
  return CheckShape(task.shape);
}

}  // namespace

absl::StatusOr<Prediction> Predict(const PredictionTask& task) {
  WL_RETURN_IF_ERROR(CheckTask(task));
  ModelLayers layers = LayersOf(task.shape);
  LayoutNeeds needs = task.needs;
  needs.cached_positions = static_cast<double>(std::max(task.kv, task.prompt + task.generate - 1)) *
                           static_cast<double>(task.users);
  WL_ASSIGN_OR_RETURN(WaferLayout layout, LayOut(task.shape, layers, task.wafer, needs));
  double kv_values = 0;
  for (const uint8_t kind : layers.kind_of) kv_values += layers.kinds[kind].kv_values_per_position;

  const Model model(task, std::move(layers), std::move(layout));
  const silicon::WaferSpec& w = task.wafer;
  const Parameters nominal = {.kernels = ModelFor(w, task.profile),
                              .clock_hz = w.clock_hz.value,
                              .wafer_hop_seconds = w.wafer_to_wafer_seconds.value,
                              .tokens_per_step = task.profile.tokens_per_step.value,
                              .watts_per_wafer = w.power_decode_watts.value,
                              .usd_per_hour = w.usd_per_system_hour.value};
  Spread spread(model, nominal);
  VaryAll(task, &spread);

  Prediction out;
  out.wafers = model.layout().wafers;
  out.stages = static_cast<int>(task.shape.layers) + 1;
  out.latency_us = spread.nominal().parts;
  out.tokens_per_step = nominal.tokens_per_step;
  out.stage_us = spread.nominal().stage_seconds * 1e6;
  out.users_before_slowdown =
      std::max<int64_t>(1, static_cast<int64_t>(out.latency_us.total / out.stage_us));
  out.weight_gigabytes = model.layout().weight_bytes * 1e-9;
  const double kv_bytes_per_user =
      kv_values * needs.bytes_per_kv_value * static_cast<double>(task.kv);
  out.users_by_memory =
      static_cast<int64_t>(std::min(model.layout().free_bytes / kv_bytes_per_user, 1e15));
  out.tokens_per_second = spread.Of(kUser);
  out.aggregate_per_second = spread.Of(kAggregate);
  out.full_per_second = spread.Of(kFull);
  out.ttft_wafer_ms = spread.Of(kTtft);
  out.request_ms = spread.nominal().request;
  out.request_total_ms = spread.Of(kRequest);
  out.end_to_end_per_second = spread.Of(kEndToEnd);
  out.watts = spread.Of(kWatts);
  out.joules_per_token = spread.Of(kJoules);
  out.usd_per_million_tokens = spread.Of(kUsd);
  out.influences = spread.TakeInfluences();
  WL_RETURN_IF_ERROR(AddPrefill(task, &out));
  return out;
}

}  // namespace waferline::timing
