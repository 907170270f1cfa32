#include "wafer_backend/hardware/placement/prediction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/placement/speed.h"
#include "wafer_backend/hardware/timing/kernel_formulas.h"
#include "wafer_backend/hardware/timing/region_cost.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::placement {
namespace {

using timing::LayerKind;

// Whatever may be uncertain.
struct Parameters {
  silicon::WaferSpec wafer;
  timing::Profile profile;
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
  double grid_side = 0;  // that layers share in decoding
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
  Model(const PredictionTask& task, const Placement& placement)
      : task_(task), placement_(placement), layers_(timing::LayersOf(task.shape)) {
    for (const PlacedPiece& piece : placement.pieces) {
      if (piece.part == Part::kLayer) Merge(piece);
    }
    const timing::KernelModel kernels = timing::ModelFor(task.wafer, task.profile);
    prefill_ = task.profile.shared_grid ? PrefillOnOneGrid(kernels) : PrefillInChunks(kernels);
  }

  int prefill_grid() const { return static_cast<int>(prefill_.side); }

  Outcome Evaluate(const Parameters& p) const {
    const PlacementTask placed = TaskOf(task_, p.wafer, p.profile);
    const PlacementSpeed speed = SpeedOf(placed, placement_);
    Outcome out;
    out.parts = speed.parts;
    out.grid_side = speed.grid_side;
    out.stage_seconds = speed.bottleneck_seconds;
    const timing::KernelModel kernels = timing::ModelFor(p.wafer, p.profile);
    out.request.first_token = 1e3 * PrefillSeconds(p, kernels);
    if (task_.generate > 1) {
      out.request.transition = 1e3 * TransitionSeconds(p);
      out.request.decode = 1e3 * DecodeSeconds(speed.costs);
    }
    out.request.total = out.request.first_token + out.request.transition + out.request.decode;
    Derive(p, &out);
    return out;
  }

  static PlacementTask TaskOf(const PredictionTask& task, const silicon::WaferSpec& wafer,
                              const timing::Profile& profile) {
    return {.shape = task.shape,
            .wafer = wafer,
            .profile = profile,
            .context = task.kv,
            .users = task.users,
            .wafers = task.wafers,
            .bytes_per_weight = task.bytes_per_weight,
            .bytes_per_kv_value = task.bytes_per_kv_value,
            .decode_grid = task.decode_grid};
  }

  // Figures from times, watts and prices.
  void Derive(const Parameters& p, Outcome* out) const {
    const double users = static_cast<double>(task_.users);
    const double accepted = p.profile.tokens_per_step.value;
    const double user = accepted / std::max(out->parts.total(), users * out->stage_seconds);
    const double watts = p.wafer.power_decode_watts.value * placement_.wafers();
    auto& f = out->figures;
    f[kUser] = user;
    f[kAggregate] = user * users;
    f[kFull] = accepted / out->stage_seconds;
    f[kTtft] = out->request.first_token;
    f[kRequest] = out->request.total;
    f[kEndToEnd] = 1e3 * static_cast<double>(task_.generate) / out->request.total;
    f[kWatts] = watts;
    f[kJoules] = watts / f[kAggregate];
    f[kUsd] = p.wafer.usd_per_system_hour.value * placement_.wafers() / 3600 / f[kAggregate] * 1e6;
  }

 private:
  // Layers alike on as many cores.
  struct Alike {
    uint8_t kind = 0;
    double cores = 0;
    int layers = 0;
  };
  void Merge(const PlacedPiece& piece) {
    const uint8_t kind = layers_.kind_of[static_cast<size_t>(piece.layer)];
    for (Alike& have : alike_) {
      if (have.kind == kind && have.cores == piece.region.cores()) {
        ++have.layers;
        return;
      }
    }
    alike_.push_back({kind, piece.region.cores(), 1});
  }

  // Passes for every token of the answer but the first, alone.
  double DecodeSeconds(const timing::DecodeCosts& costs) const {
    const double passes = static_cast<double>(task_.generate - 1);
    const double first = static_cast<double>(task_.prompt);
    double seconds =
        costs.total.base_seconds + costs.total.seconds_per_position * MeanSeen(first, passes, 0);
    for (const timing::PositionCost::Windowed& w : costs.total.windowed) {
      seconds += w.seconds_per_position * MeanSeen(first, passes, static_cast<double>(w.window));
    }
    return passes * seconds / costs.tokens_per_step;
  }

  // Every core sends its part along its row to where decode wants it, all wafers at once.
  double TransitionSeconds(const Parameters& p) const {
    double bytes = 0;
    for (const Alike& alike : alike_) {
      const LayerKind& kind = layers_.kinds[alike.kind];
      const double prompt = static_cast<double>(task_.prompt);
      const double kept =
          kind.window > 0 ? std::min(static_cast<double>(kind.window), prompt) : prompt;
      bytes += alike.layers * kind.kv_values_per_position * kept * task_.bytes_per_kv_value;
      if (p.profile.shared_grid) bytes += alike.layers * kind.parameters() * task_.bytes_per_weight;
    }
    // A row of cores spans the grid that shares it: the wafer, or a layer's region.
    const double side = p.profile.shared_grid
                            ? std::min(placement_.mesh.columns, placement_.mesh.rows)
                            : std::sqrt(alike_.front().cores);
    const double cores = placement_.mesh.cores() * placement_.wafers();
    return timing::TransitionCycles(p.wafer, side, bytes / cores) / p.wafer.clock_hz.value;
  }

  double PrefillSeconds(const Parameters& p, const timing::KernelModel& kernels) const {
    // Of what may be uncertain, cycles of whole layers know the scale alone.
    const double scale = p.profile.constants.layer_scale / task_.profile.constants.layer_scale;
    const double output =
        timing::OutputCycles(kernels, task_.shape, timing::VocabularyParameters(task_.shape),
                             {placement_.pieces.back().region.cores(), task_.bytes_per_weight});
    const int wafers = placement_.wafers();
    const double hops = wafers > 1 ? wafers * p.wafer.wafer_to_wafer_seconds.value : 0;
    return (scale * prefill_.cycles + output) / p.wafer.clock_hz.value + hops;
  }

  // Cycles of all layers over `fresh` tokens that see `seen`, and of the slowest one.
  struct Layers {
    double sum = 0;
    double slowest = 0;
  };
  template <typename SideOf>  // double(const Alike&)
  Layers PrefillLayers(const timing::KernelModel& kernels, double fresh, double seen,
                       SideOf side_of) const {
    Layers out;
    for (const Alike& alike : alike_) {
      const LayerKind& kind = layers_.kinds[alike.kind];
      const double in_view =
          kind.window > 0 ? std::min(seen, static_cast<double>(kind.window) + fresh) : seen;
      const double cycles = timing::PrefillCycles(kernels, kind, side_of(alike), fresh, in_view);
      out.sum += alike.layers * cycles;
      out.slowest = std::max(out.slowest, cycles);
    }
    return out;
  }

  struct Prefill {
    double cycles = std::numeric_limits<double>::max();
    double side = 0;  // of the grid that all layers share, if they do
  };

  // The whole prompt through layer after layer, on the grid that was asked for or the best of a few
  // up to the wafer's.
  Prefill PrefillOnOneGrid(const timing::KernelModel& kernels) const {
    const double prompt = static_cast<double>(task_.prompt);
    const double edge = std::min(placement_.mesh.columns, placement_.mesh.rows);
    Prefill best;
    for (const double share : {1.0, 0.8, 0.6, 0.4, 0.2}) {
      const double side =
          task_.prefill_grid > 0 ? task_.prefill_grid : std::max(1.0, std::floor(edge * share));
      const auto side_of = [side](const Alike&) { return side; };
      const double cycles = PrefillLayers(kernels, prompt, prompt, side_of).sum;
      if (cycles < best.cycles) best = {cycles, side};
      if (task_.prefill_grid > 0) break;
    }
    return best;
  }

  // The prompt in chunks that follow each other through the layers' regions, with the chunk size
  // that is fastest: small ones fill the pipeline, large ones fill the cores.
  Prefill PrefillInChunks(const timing::KernelModel& kernels) const {
    const double prompt = static_cast<double>(task_.prompt);
    const auto side_of = [](const Alike& alike) {
      return std::max(1.0, std::floor(std::sqrt(alike.cores)));
    };
    Prefill best;
    for (double chunks = 1; chunks <= 4096 && chunks <= prompt; chunks *= 2) {
      const double fresh = std::ceil(prompt / chunks);
      // A chunk sees, on average, what came before the middle chunk and itself.
      const Layers layers = PrefillLayers(kernels, fresh, (prompt + fresh) / 2, side_of);
      const double cycles = layers.sum + (chunks - 1) * layers.slowest;
      if (cycles >= best.cycles) break;
      best.cycles = cycles;
    }
    return best;
  }

  const PredictionTask& task_;
  const Placement& placement_;
  const timing::ModelLayers layers_;
  std::vector<Alike> alike_;
  Prefill prefill_;
};

struct Range {
  double low = 0, value = 0, high = 0;
};
Range RangeOf(const silicon::Fact& fact) { return {fact.low, fact.value, fact.high}; }

// Moves one parameter after another to the ends of its range.
class Spread {
 public:
  Spread(const Model& model, Parameters nominal)
      : model_(model), moved_(std::move(nominal)), at_(model.Evaluate(moved_)) {}

  const Outcome& nominal() const { return at_; }

  template <typename Change>  // void(Parameters*, double value)
  void Vary(const std::string& name, const Range& range, Change change) {
    Move(name, range, change, [this] { return model_.Evaluate(moved_); });
  }
  // What no time depends on.
  template <typename Change>
  void VaryExpense(const std::string& name, const Range& range, Change change) {
    Move(name, range, change, [this] {
      Outcome out = at_;
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
  template <typename Change, typename Evaluate>  // Outcome() of moved_
  void Move(const std::string& name, const Range& range, Change change, Evaluate evaluate) {
    if (range.low == range.high) return;
    change(&moved_, range.low);
    const Outcome at_low = evaluate();
    change(&moved_, range.high);
    const Outcome at_high = evaluate();
    change(&moved_, range.value);
    for (size_t i = 0; i < kFigures; ++i) {
      const double a = at_low.figures[i] - at_.figures[i], b = at_high.figures[i] - at_.figures[i];
      const double down = std::min({a, b, 0.0}), up = std::max({a, b, 0.0});
      down_[i] += down * down;
      up_[i] += up * up;
    }
    influences_.push_back({name, at_low.figures[kUser], at_high.figures[kUser]});
  }

  const Model& model_;
  Parameters moved_;  // nominal but while one is moved
  const Outcome at_;
  std::array<double, kFigures> down_{}, up_{};
  std::vector<Influence> influences_;
};

void VaryAll(const PredictionTask& task, Spread* spread) {
  const silicon::WaferSpec& w = task.wafer;
  const double scale = task.profile.constants.layer_scale, error = 2 * task.profile.spread;
  spread->Vary("kernel cycles", {scale * (1 - std::min(error, 0.9)), scale, scale * (1 + error)},
               [](Parameters* p, double v) { p->profile.constants.layer_scale = v; });
  // A profile that was fitted to speed at the nominal clock has that clock in its constants.
  if (!task.profile.anchored) {
    spread->Vary("clock", RangeOf(w.clock_hz),
                 [](Parameters* p, double v) { p->wafer.clock_hz.value = v; });
  }
  spread->Vary("wafer-to-wafer latency", RangeOf(w.wafer_to_wafer_seconds),
               [](Parameters* p, double v) { p->wafer.wafer_to_wafer_seconds.value = v; });
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
  if (task.prompt + task.generate - 1 > kMost) {
    return absl::InvalidArgumentError(absl::StrCat("prompt and generate are ", task.prompt, " and ",
                                                   task.generate,
                                                   ", together they must not exceed ", kMost));
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
  PlacementTask room = Model::TaskOf(task, task.wafer, task.profile);
  room.context = std::max(task.kv, task.prompt + task.generate - 1);
  WL_ASSIGN_OR_RETURN(const Placement placement, Place(room));
  const Model model(task, placement);
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
  out.users_before_slowdown =
      std::max<int64_t>(1, static_cast<int64_t>(out.latency.total() * 1e6 / out.stage_us));
  double fewest = 1e15;
  for (const SramUse& use : placement.sram) {
    out.weight_gigabytes += (use.weights + use.embedding_and_output) * 1e-9;
    if (use.kv > 0) {
      fewest = std::min(fewest, (use.free + use.kv) / (use.kv / static_cast<double>(task.users)));
    }
  }
  out.users_by_memory = static_cast<int64_t>(fewest);
  out.tokens_per_second = spread.Of(kUser);
  out.aggregate_per_second = spread.Of(kAggregate);
  out.full_per_second = spread.Of(kFull);
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
