#include "wafer_backend/hardware/timing/kernels.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/timing/kernel_formulas.h"

namespace waferline::timing {
namespace {

using silicon::WaferSpec;

// Far beyond any matrix, and products of a few of them are far from a double's end.
constexpr int64_t kMaxKernelSize = 50'000'000;

absl::Status CheckSizes(const WaferSpec& wafer, int64_t grid,
                        std::initializer_list<std::pair<const char*, int64_t>> sizes) {
  const double edge = std::min(wafer.grid_columns.value, wafer.grid_rows.value);
  if (grid < 1 || static_cast<double>(grid) > edge) {
    return absl::InvalidArgumentError(absl::StrCat("grid is ", grid, ", must lie in [1, ", edge,
                                                   "]: the mesh is ", wafer.grid_columns.value,
                                                   " x ", wafer.grid_rows.value, " cores"));
  }
  for (const auto& [name, size] : sizes) {
    if (size < 1 || size > kMaxKernelSize) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " is ", size, ", must lie in [1, ", kMaxKernelSize, "]"));
    }
  }
  return absl::OkStatus();
}

// `values` FP16 numbers have to lie on one core.
absl::Status CheckSram(const WaferSpec& wafer, double values) {
  if (2 * values <= wafer.sram_per_core_bytes.value) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("needs ", 2 * values, " bytes of SRAM on each core, which has ",
                   wafer.sram_per_core_bytes.value, "; use a larger grid or a smaller matrix"));
}

double Tile(int64_t size, int64_t grid) { return static_cast<double>((size + grid - 1) / grid); }

struct Predict {
  const WaferSpec& wafer;
  const KernelModel model;

  absl::StatusOr<double> operator()(const GemvSize& size) const {
    WL_RETURN_IF_ERROR(CheckSizes(wafer, size.grid, {{"m", size.m}, {"n", size.n}}));
    const double in = Tile(size.m, size.grid);
    const double out = Tile(size.n, size.grid);
    WL_RETURN_IF_ERROR(CheckSram(wafer, in * out + in + out));
    const double side = static_cast<double>(size.grid);
    return size.algorithm == Allreduce::kTree ? GemvTreeCycles(model, side, in, out)
                                              : GemvChainCycles(model, side, in, out);
  }

  absl::StatusOr<double> operator()(const GemmSize& size) const {
    WL_RETURN_IF_ERROR(CheckSizes(wafer, size.grid, {{"size", size.size}}));
    const double tile = Tile(size.size, size.grid);
    WL_RETURN_IF_ERROR(CheckSram(wafer, 3 * tile * tile));
    return static_cast<double>(size.grid) * GemmStepCycles(model, tile, tile, tile);
  }

  absl::StatusOr<double> operator()(const DecodeLayerSize& size) const {
    WL_RETURN_IF_ERROR(
        CheckSizes(wafer, size.grid, {{"d", size.d}, {"ffn", size.ffn}, {"seq", size.seq}}));
    const double d = static_cast<double>(size.d);
    const double f = static_cast<double>(size.ffn);
    const double s = static_cast<double>(size.seq);
    // Sums: queries, keys and values, attention's values, output, down-projection; both
    // up-projections; the scores.
    const DecodeWork work = {.weight_macs = 4 * d * d + 3 * d * f,
                             .columns = 6 * d + f,
                             .attention_macs = 2 * d * s,
                             .scores = s,
                             .allreduces = kDenseLayerAllreduces,
                             .words = 6 * d + 2 * f + s + kDenseLayerScalars};
    WL_RETURN_IF_ERROR(CheckSram(wafer, work.weight_macs + work.attention_macs));
    return DecodeLayerCost(model, static_cast<double>(size.grid), work).total();
  }

  absl::StatusOr<double> operator()(const PrefillLayerSize& size) const {
    WL_RETURN_IF_ERROR(CheckSizes(
        wafer, size.grid, {{"hidden", size.hidden}, {"ffn", size.ffn}, {"tokens", size.tokens}}));
    const double t = Tile(size.tokens, size.grid);
    const double d = Tile(size.hidden, size.grid);
    const double f = Tile(size.ffn, size.grid);
    WL_RETURN_IF_ERROR(CheckSram(wafer, std::max(3 * d * f, 4 * d * d) + 2 * t * (d + f)));
    const double step = 4 * GemmStepCycles(model, t, d, d) +  // queries, keys, values, output
                        GemmStepCycles(model, t, d, t) + GemmStepCycles(model, t, t, d) +
                        2 * GemmStepCycles(model, t, d, f) + GemmStepCycles(model, t, f, d);
    return model.constants.layer_scale * static_cast<double>(size.grid) * step;
  }
};

}  // namespace

absl::StatusOr<double> KernelCycles(const WaferSpec& wafer, const Profile& profile,
                                    const KernelSize& size) {
  return std::visit(Predict{wafer, ModelFor(wafer, profile)}, size);
}

absl::StatusOr<double> TransitionCycles(const WaferSpec& wafer, int64_t grid,
                                        Bytes bytes_per_core) {
  WL_RETURN_IF_ERROR(CheckSizes(wafer, grid, {{"bytes_per_core", bytes_per_core.count()}}));
  return TransitionCycles(wafer, static_cast<double>(grid), bytes_per_core.as_double());
}

absl::StatusOr<double> KvShiftCycles(const WaferSpec& wafer, Bytes bytes_per_core) {
  WL_RETURN_IF_ERROR(CheckSizes(wafer, 1, {{"bytes_per_core", bytes_per_core.count()}}));
  return bytes_per_core.as_double() / wafer.link_bytes_per_cycle.value + wafer.hop_cycles.value +
         2 * wafer.ramp_cycles.value;
}

}  // namespace waferline::timing
