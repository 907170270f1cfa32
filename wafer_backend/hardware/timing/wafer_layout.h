// How a model lies on wafers, as far as timing needs it: which layers on which wafer, how many
// cores each. Layers are cut at layer boundaries, balanced by weight; on a wafer every layer owns a
// region in proportion to its weights, so that all of them are in use at once. placement/ draws
// real rectangles; whoever has them fills a WaferLayout with those instead.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/model_shape.h"

namespace waferline::timing {

struct LayoutNeeds {
  int wafers = 0;                 // 0: the fewest that fit
  double bytes_per_weight = 2;    // FP16
  double bytes_per_kv_value = 2;  // kept unquantised
  double cached_positions = 0;    // over all users, room to keep for them
};

// Layers alike: of one kind, on one wafer.
struct LayoutGroup {
  uint8_t kind = 0;  // index into ModelLayers::kinds
  int wafer = 0;
  int layers = 0;
  double cores_each = 0;
  int layers_on_wafer = 0;  // of all kinds
};

struct WaferLayout {
  int wafers = 0;
  std::vector<LayoutGroup> groups;  // wafers in order; a wafer's kinds in any
  std::vector<int> wafer_of_layer;
  double head_cores = 0;              // the output matrix, on the last wafer
  double weight_bytes = 0;            // all of them
  double usable_bytes_per_wafer = 0;  // for weights and KV
  double free_bytes = 0;              // on the wafer that has least, times wafers
};

// ResourceExhausted, with the arithmetic, if a layer is larger than a wafer or the given number of
// wafers is too small; InvalidArgument for needs out of range (wafers in [0, 4096], bytes in
// (0, 8]). Cost: a few operations a layer.
absl::StatusOr<WaferLayout> LayOut(const ModelShape& shape, const ModelLayers& layers,
                                   const silicon::WaferSpec& wafer, const LayoutNeeds& needs);

}  // namespace waferline::timing
