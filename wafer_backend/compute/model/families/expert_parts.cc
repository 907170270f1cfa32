#include "wafer_backend/compute/model/families/expert_parts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

using kernels::Router;

absl::Status ReadScore(KeyReader& keys, const ExpertDefaults& defaults, Router& router) {
  // 1: softmax; 2: sigmoid; 3: softmax over the chosen ones, which is the first, normalised.
  constexpr std::string_view kKey = "expert_gating_func";
  WL_ASSIGN_OR_RETURN(const int64_t function, keys.CountOr(kKey, 0));
  if (function > 3) {
    return absl::UnimplementedError(
        absl::StrCat(keys.Key(kKey), " is ", function, ", must be 1 to 3"));
  }
  router.score = function == 0   ? defaults.score
                 : function == 2 ? Router::Score::kSigmoid
                                 : Router::Score::kSoftmax;
  WL_ASSIGN_OR_RETURN(router.normalise, keys.BoolOr("expert_weights_norm", defaults.normalise));
  if (function == 3) router.normalise = true;
  WL_ASSIGN_OR_RETURN(const double scale, keys.PositiveOr("expert_weights_scale", 1));
  router.scale = static_cast<float>(scale);
  return absl::OkStatus();
}

absl::Status ReadRouter(KeyReader& keys, const ExpertDefaults& defaults, Router& router) {
  WL_ASSIGN_OR_RETURN(router.chosen, keys.Size("expert_used_count"));
  WL_RETURN_IF_ERROR(ReadScore(keys, defaults, router));
  WL_ASSIGN_OR_RETURN(const int64_t groups, keys.CountOr("expert_group_count", 0));
  WL_ASSIGN_OR_RETURN(const int64_t chosen_groups, keys.CountOr("expert_group_used_count", groups));
  router.groups = std::max<int64_t>(groups, 1);
  router.chosen_groups = std::max<int64_t>(chosen_groups, 1);
  router.group_rank = router.score == Router::Score::kSigmoid ? Router::GroupRank::kTwoLargest
                                                              : Router::GroupRank::kLargest;
  const absl::Status status = router.Check();
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat(keys.Key("expert_count"), " and what goes with it: ", status.message()));
}

absl::Status ReadWidths(KeyReader& keys, ModelShape& shape) {
  ExpertsPlan& experts = shape.experts;
  WL_ASSIGN_OR_RETURN(experts.ffn, keys.SizeOr("expert_feed_forward_length", shape.ffn));
  WL_ASSIGN_OR_RETURN(const int64_t shared, keys.CountOr("expert_shared_count", 0));
  if (shared > KeyReader::kMaxSize / experts.ffn) {
    return absl::InvalidArgumentError(
        absl::StrCat(keys.Key("expert_shared_count"), " is ", shared, ", which is out of range"));
  }
  WL_ASSIGN_OR_RETURN(experts.shared_ffn,
                      keys.CountOr("expert_shared_feed_forward_length", shared * experts.ffn));
  shape.ffn = std::max(shape.ffn, experts.shared_ffn);
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadExperts(KeyReader& keys, const ExpertDefaults& defaults, ModelShape& shape) {
  WL_ASSIGN_OR_RETURN(const int64_t count, keys.CountOr("expert_count", 0));
  WL_ASSIGN_OR_RETURN(const int64_t dense, keys.CountOr("leading_dense_block_count", 0));
  if (count == 0) return absl::OkStatus();
  shape.experts.router.experts = count;
  WL_RETURN_IF_ERROR(ReadRouter(keys, defaults, shape.experts.router));
  WL_RETURN_IF_ERROR(ReadWidths(keys, shape));
  for (int64_t i = dense; i < shape.layers; ++i) shape.plan[i].experts = true;
  return absl::OkStatus();
}

absl::Status BindFeedForward(TensorBinder& tensors, const ModelShape& shape, int64_t index,
                             LayerWeights& layer) {
  const int64_t hidden = shape.hidden;
  if (!shape.plan[index].experts) return BindGatedFeedForward(tensors, shape, layer);
  const int64_t count = shape.experts.router.experts, ffn = shape.experts.ffn;
  ExpertWeights& experts = layer.experts;
  WL_RETURN_IF_ERROR(tensors.Linear("ffn_gate_inp", count, hidden, &experts.router));
  if (tensors.Has("exp_probs_b.bias")) {
    WL_RETURN_IF_ERROR(tensors.Vector("exp_probs_b.bias", count, &experts.selection_bias));
  }
  WL_RETURN_IF_ERROR(tensors.Experts("ffn_gate", {count, ffn, hidden}, &experts.gate));
  WL_RETURN_IF_ERROR(tensors.Experts("ffn_up", {count, ffn, hidden}, &experts.up));
  WL_RETURN_IF_ERROR(tensors.Experts("ffn_down", {count, hidden, ffn}, &experts.down));
  const int64_t shared = shape.experts.shared_ffn;
  if (shared == 0) return absl::OkStatus();
  WL_RETURN_IF_ERROR(tensors.Linear("ffn_gate_shexp", shared, hidden, &layer.gate));
  WL_RETURN_IF_ERROR(tensors.Linear("ffn_up_shexp", shared, hidden, &layer.up));
  return tensors.Linear("ffn_down_shexp", hidden, shared, &layer.down);
}

}  // namespace waferline::model
