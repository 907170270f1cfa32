#include "wafer_backend/hardware/placement/request_model.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/hardware/timing/region_cost.h"

namespace waferline::placement {
namespace {

using timing::LayerKind;

// Of a window of `window` positions (0: all), how many tokens at first .. first + count - 1 cached
// positions see on average.
double MeanSeen(double first, double count, double window) {
  const double last = first + count - 1;
  if (window == 0 || last <= window) return (first + last) / 2;
  if (first >= window) return window;
  const double growing = window - first;
  return (growing * (first + window - 1) / 2 + (count - growing) * window) / count;
}

}  // namespace

PlacementTask PlacementTaskOf(const PredictionTask& task, const silicon::WaferSpec& wafer,
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

RequestModel::RequestModel(const PredictionTask& task, const Placement& placement)
    : task_(task), placement_(placement), layers_(timing::LayersOf(task.shape)) {
  for (const PlacedPiece& piece : placement.pieces) {
    if (piece.part == Part::kLayer) Merge(piece);
  }
  const timing::KernelModel kernels = timing::ModelFor(task.wafer, task.profile);
  prefill_ = task.profile.shared_grid ? PrefillOnOneGrid(kernels) : PrefillInChunks(kernels);
}

RequestFigures RequestModel::Evaluate(const Parameters& p) const {
  const PlacementTask placed = PlacementTaskOf(task_, p.wafer, p.profile);
  const PlacementSpeed speed = SpeedOf(placed, placement_);
  RequestFigures out;
  out.parts = speed.parts;
  out.pass_seconds = speed.pass_seconds;
  out.grid_side = speed.grid_side;
  out.stage_seconds = speed.bottleneck_seconds;
  const timing::KernelModel kernels = timing::ModelFor(p.wafer, p.profile);
  out.request.first_token = 1e3 * PrefillSeconds(p, kernels);
  if (task_.generate > 1) {
    out.request.transition = 1e3 * TransitionSeconds(p);
    out.request.decode = 1e3 * DecodeSeconds(speed.costs);
  }
  out.request.total = out.request.first_token + out.request.transition + out.request.decode;
  out.figures[kUser] = speed.user_tokens_per_second;
  out.figures[kAggregate] = speed.aggregate_tokens_per_second;
  Derive(p, &out);
  return out;
}

void RequestModel::Derive(const Parameters& p, RequestFigures* out) const {
  const double watts = p.wafer.power_decode_watts.value * placement_.wafers();
  auto& f = out->figures;
  f[kFull] = 1 / out->stage_seconds;
  f[kTtft] = out->request.first_token;
  f[kRequest] = out->request.total;
  f[kEndToEnd] = 1e3 * static_cast<double>(task_.generate) / out->request.total;
  f[kWatts] = watts;
  f[kJoules] = watts / f[kAggregate];
  f[kUsd] = p.wafer.usd_per_system_hour.value * placement_.wafers() / 3600 / f[kAggregate] * 1e6;
}

void RequestModel::Merge(const PlacedPiece& piece) {
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
double RequestModel::DecodeSeconds(const timing::DecodeCosts& costs) const {
  const double passes = static_cast<double>(task_.generate - 1);
  const double first = static_cast<double>(task_.prompt);
  double seconds =
      costs.total.base_seconds + costs.total.seconds_per_position * MeanSeen(first, passes, 0);
  for (const timing::PositionCost::Windowed& w : costs.total.windowed) {
    seconds += w.seconds_per_position * MeanSeen(first, passes, static_cast<double>(w.window));
  }
  return passes * (seconds + costs.draft_seconds) / costs.tokens_per_step;
}

// Every core sends its part along its row to where decode wants it, all wafers at once.
double RequestModel::TransitionSeconds(const Parameters& p) const {
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

double RequestModel::PrefillSeconds(const Parameters& p, const timing::KernelModel& kernels) const {
  // Of what may be uncertain, cycles of whole layers know the scale alone.
  const double scale = p.profile.constants.layer_scale / task_.profile.constants.layer_scale;
  const double output =
      timing::OutputCycles(kernels, task_.shape, timing::VocabularyParameters(task_.shape),
                           {placement_.pieces.back().region.cores(), task_.bytes_per_weight});
  const int wafers = placement_.wafers();
  const double hops = wafers > 1 ? wafers * p.wafer.wafer_to_wafer_seconds.value : 0;
  return (scale * prefill_.cycles + output) / p.wafer.clock_hz.value + hops;
}

template <typename SideOf>  // double(const Alike&)
RequestModel::Layers RequestModel::PrefillLayers(const timing::KernelModel& kernels, double fresh,
                                                 double seen, SideOf side_of) const {
  Layers out;
  for (const Alike& alike : alike_) {
    const LayerKind& kind = layers_.kinds[alike.kind];
    const double in_view =
        kind.window > 0 ? std::min(seen, static_cast<double>(kind.window) + fresh) : seen;
    const double cycles = timing::PrefillCycles(kernels, kind, side_of(alike), {fresh, in_view});
    out.sum += alike.layers * cycles;
    out.slowest = std::max(out.slowest, cycles);
  }
  return out;
}

// The whole prompt through layer after layer, on the grid that was asked for or the best of a few
// up to the wafer's.
RequestModel::Prefill RequestModel::PrefillOnOneGrid(const timing::KernelModel& kernels) const {
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
RequestModel::Prefill RequestModel::PrefillInChunks(const timing::KernelModel& kernels) const {
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

}  // namespace waferline::placement
