#include "scheduler/fleet/timed_shape.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/families.h"
#include "wafer_backend/compute/model/gguf.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"

namespace waferline::fleet {

namespace {

// Where layers of both sorts take turns, every `every`-th has experts.
std::optional<timing::Experts> ExpertsOf(const model::ModelShape& from) {
  const auto has_experts = [&](const model::LayerPlan& layer) { return layer.experts; };
  const auto first = std::ranges::find_if(from.plan, has_experts);
  if (first == from.plan.end()) return std::nullopt;
  const auto second = std::find_if(first + 1, from.plan.end(), has_experts);
  const int64_t width = from.experts.ffn;
  return timing::Experts{.total = from.experts.router.experts,
                         .active = from.experts.router.chosen,
                         .shared = (from.experts.shared_ffn + width - 1) / width,
                         .width = width,
                         .first = first - from.plan.begin(),
                         .every = second == from.plan.end() ? 1 : second - first};
}

std::optional<timing::LatentKv> LatentOf(const model::LatentPlan& from) {
  if (from.kv_rank == 0) return std::nullopt;
  return timing::LatentKv{.kv_rank = from.kv_rank,
                          .rotary_dim = from.rotary_dim,
                          .query_rank = from.query_rank,
                          .plain_dim = from.plain_dim,
                          .value_dim = from.value_dim};
}

absl::StatusOr<std::optional<timing::SlidingWindow>> WindowOf(const model::ModelShape& from) {
  int64_t positions = 0;
  std::vector<bool> windowed;
  for (const model::LayerPlan& layer : from.plan) {
    windowed.push_back(layer.window > 0);
    positions = std::max(positions, layer.window);
  }
  if (positions == 0) return std::nullopt;
  const std::optional<timing::SlidingWindow> window = timing::WindowOf(positions, windowed);
  if (window.has_value()) return window;
  return absl::UnimplementedError(
      "attention.sliding_window_pattern: only a window of the first n of every m layers is timed");
}

}  // namespace

absl::StatusOr<TimedShape> LoadTimedShape(const std::string& name_or_path) {
  TimedShape out;
  std::error_code error;
  const bool folder = std::filesystem::is_directory(name_or_path, error);
  if (!folder && !absl::EndsWith(name_or_path, ".gguf")) {
    WL_ASSIGN_OR_RETURN(out.shape, timing::LoadModelShape(name_or_path));
    return out;
  }
  WL_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(name_or_path));
  WL_ASSIGN_OR_RETURN(const model::ModelShape from, model::ReadShape(*file));
  out.shape = {.name = from.name.empty() ? name_or_path : from.name,
               .layers = from.layers,
               .hidden = from.hidden,
               .heads = from.heads,
               .kv_heads = from.kv_heads,
               .head_dim = from.head_dim,
               .ffn = from.ffn,
               .gated = from.gated,
               .vocab = from.vocabulary,
               .tied_embeddings = from.tied_embeddings,
               .experts = ExpertsOf(from),
               .latent = LatentOf(from.latent)};
  if (out.shape.latent) {  // as attention sees them; timing counts the model's own heads
    out.shape.kv_heads = from.heads;
    out.shape.head_dim = from.latent.plain_dim + from.latent.rotary_dim;
  }
  WL_ASSIGN_OR_RETURN(out.shape.window, WindowOf(from));
  out.context = Tokens(from.context);
  WL_RETURN_IF_ERROR(timing::CheckShape(out.shape));
  return out;
}

}  // namespace waferline::fleet
