#include <cmath>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/families/parts.h"

namespace waferline::model {
namespace {

// Keys that converters write for every kind of scaling.
struct ScalingKeys {
  std::string_view type;
  double factor = 1;
  double magnitude = 1;  // rope.scaling.attn_factor
  bool has_magnitude = false;
  int64_t original_context = 0;
};

absl::StatusOr<ScalingKeys> ReadScalingKeys(KeyReader& keys, const ModelShape& shape) {
  ScalingKeys scaling;
  const bool has_factor = keys.Has("rope.scaling.factor");
  WL_ASSIGN_OR_RETURN(scaling.type,
                      keys.StringOr("rope.scaling.type", has_factor ? "linear" : "none"));
  WL_ASSIGN_OR_RETURN(scaling.factor, keys.PositiveOr("rope.scaling.factor", 1));
  scaling.has_magnitude = keys.Has("rope.scaling.attn_factor");
  WL_ASSIGN_OR_RETURN(scaling.magnitude, keys.PositiveOr("rope.scaling.attn_factor", 1));
  WL_ASSIGN_OR_RETURN(scaling.original_context,
                      keys.SizeOr("rope.scaling.original_context_length", shape.context));
  return scaling;
}

absl::Status ReadYarn(KeyReader& keys, const ScalingKeys& scaling, Rotary& rotary) {
  kernels::YarnScaling yarn;
  WL_ASSIGN_OR_RETURN(yarn.factor, keys.Positive("rope.scaling.factor"));
  yarn.original_context = static_cast<double>(scaling.original_context);
  WL_ASSIGN_OR_RETURN(yarn.beta_fast, keys.PositiveOr("rope.scaling.yarn_beta_fast", 32));
  WL_ASSIGN_OR_RETURN(yarn.beta_slow, keys.PositiveOr("rope.scaling.yarn_beta_slow", 1));
  WL_ASSIGN_OR_RETURN(yarn.extrapolation, keys.PositiveOr("rope.scaling.yarn_ext_factor", 1));
  WL_ASSIGN_OR_RETURN(const double own, keys.PositiveOr("rope.scaling.yarn_attn_factor", 1));
  rotary.yarn = yarn;
  rotary.magnitude = scaling.magnitude * own * kernels::YarnMagnitude(yarn.factor);
  return absl::OkStatus();
}

// Two tensors of factors: for contexts within the original one, and beyond it.
absl::Status ReadLongRope(KeyReader& keys, const ScalingKeys& scaling, const ModelShape& shape,
                          Rotary& rotary) {
  const auto context = static_cast<double>(shape.context);
  const auto original = static_cast<double>(scaling.original_context);
  WL_ASSIGN_OR_RETURN(auto within,
                      keys.PositiveTensor("rope_factors_short.weight", rotary.dims / 2));
  WL_ASSIGN_OR_RETURN(auto beyond,
                      keys.PositiveTensor("rope_factors_long.weight", rotary.dims / 2));
  rotary.factors = std::move(context > original ? beyond : within);
  rotary.magnitude = scaling.has_magnitude
                         ? scaling.magnitude
                         : kernels::LongRopeMagnitude(context / original, original);
  return absl::OkStatus();
}

absl::Status ReadScaling(KeyReader& keys, const ModelShape& shape, Rotary& rotary) {
  WL_ASSIGN_OR_RETURN(const ScalingKeys scaling, ReadScalingKeys(keys, shape));
  // Old files have rope.scale_linear and no type.
  WL_ASSIGN_OR_RETURN(rotary.linear_factor, keys.PositiveOr("rope.scale_linear", 1));
  const bool long_rope = keys.HasTensor("rope_factors_long.weight");
  if (long_rope && (scaling.type == "longrope" || scaling.type == "none")) {
    return ReadLongRope(keys, scaling, shape, rotary);
  }
  if (scaling.type == "yarn") return ReadYarn(keys, scaling, rotary);
  rotary.magnitude = scaling.magnitude;
  if (scaling.type == "linear") {
    rotary.linear_factor = scaling.factor;
    return absl::OkStatus();
  }
  if (scaling.type == "none") return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      "rotary scaling ", Quoted(scaling.type), " (", keys.Key("rope.scaling.type"),
      ") is not supported; none, linear, yarn, longrope (with the tensors rope_factors_long.weight "
      "and rope_factors_short.weight) and the factors of rope_freqs.weight are"));
}

}  // namespace

absl::StatusOr<Rotary> ReadRotary(KeyReader& keys, kernels::RotaryKind kind,
                                  const ModelShape& shape) {
  Rotary rotary{.kind = kind};
  WL_ASSIGN_OR_RETURN(rotary.dims, keys.SizeOr("rope.dimension_count", shape.head_dim));
  if (rotary.dims > shape.head_dim || rotary.dims % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(keys.Key("rope.dimension_count"), " is ", rotary.dims,
                     ", expected an even number up to the head size of ", shape.head_dim));
  }
  WL_ASSIGN_OR_RETURN(rotary.base, keys.PositiveOr("rope.freq_base", 10000));
  WL_RETURN_IF_ERROR(ReadScaling(keys, shape, rotary));
  // Llama 3's scaling, as converters store it.
  constexpr std::string_view kFactors = "rope_freqs.weight";
  if (keys.HasTensor(kFactors)) {
    WL_ASSIGN_OR_RETURN(rotary.factors, keys.PositiveTensor(kFactors, rotary.dims / 2));
  }
  return rotary;
}

}  // namespace waferline::model
