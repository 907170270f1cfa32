#include "wafer_backend/hardware/timing/wafer_layout.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "wafer_backend/base/status.h"

namespace waferline::timing {
namespace {

constexpr int kMaxWafers = 4096;

struct Sizes {
  std::vector<double> layer;    // bytes of weights and KV
  std::vector<double> weights;  // of which weights
  double embedding = 0;
  double head = 0;
  double usable = 0;
};

Sizes SizesOf(const ModelShape& shape, const ModelLayers& layers, const silicon::WaferSpec& wafer,
              const LayoutNeeds& needs) {
  Sizes s;
  for (size_t i = 0; i < layers.kind_of.size(); ++i) {
    const LayerKind& kind = layers.of(i);
    // Windowed layers keep as much as the others: positions are counted over all users, and how
    // many of each user's lie in the window is not known here.
    s.weights.push_back(kind.parameters() * needs.bytes_per_weight);
    s.layer.push_back(s.weights.back() + kind.kv_values_per_position * needs.bytes_per_kv_value *
                                             needs.cached_positions);
  }
  s.head = VocabularyParameters(shape) * needs.bytes_per_weight;
  s.embedding = s.head;
  s.usable = wafer.sram_per_wafer_bytes.value * wafer.sram_weight_fraction.value;
  return s;
}

// Wafer of each layer when `wafers` share the bytes as evenly as layer boundaries allow, or empty
// if one of them would hold more than it can. A tied matrix lies once if there is one wafer.
std::vector<int> Cut(const Sizes& s, bool tied, int wafers) {
  const double embedding = tied && wafers == 1 ? 0 : s.embedding;
  double total = embedding + s.head;
  for (const double bytes : s.layer) total += bytes;
  std::vector<double> load(static_cast<size_t>(wafers), 0.0);
  load.front() += embedding;
  load.back() += s.head;
  std::vector<int> wafer_of;
  double before = embedding;
  int least = 0;
  for (const double bytes : s.layer) {
    const int even = static_cast<int>((before + bytes / 2) * wafers / total);
    int wafer = std::clamp(even, least, wafers - 1);
    // Rounding at a boundary may overfill a wafer by part of a layer; the next one takes it then.
    if (load[static_cast<size_t>(wafer)] + bytes > s.usable && wafer + 1 < wafers) ++wafer;
    load[static_cast<size_t>(wafer)] += bytes;
    wafer_of.push_back(wafer);
    least = wafer;
    before += bytes;
  }
  for (const double bytes : load) {
    if (bytes > s.usable) return {};
  }
  return wafer_of;
}

absl::Status DoesNotFit(const Sizes& s, int wafers) {
  double weights = s.embedding + s.head, kv = 0, largest = 0;
  for (size_t i = 0; i < s.layer.size(); ++i) {
    weights += s.weights[i];
    kv += s.layer[i] - s.weights[i];
    largest = std::max(largest, s.layer[i]);
  }
  return absl::ResourceExhaustedError(absl::StrFormat(
      "%.2f GB of weights and %.2f GB of KV (largest layer %.2f GB) do not fit %d wafer(s) of %.2f "
      "GB each at layer boundaries; give more wafers, fewer bytes a weight, or less KV",
      weights * 1e-9, kv * 1e-9, largest * 1e-9, wafers, s.usable * 1e-9));
}

absl::StatusOr<std::vector<int>> CutToFit(const Sizes& s, bool tied, int wafers, int* used) {
  *used = wafers;
  if (wafers > 0) {
    std::vector<int> cut = Cut(s, tied, wafers);
    if (cut.empty()) return DoesNotFit(s, wafers);
    return cut;
  }
  double total = s.head + (tied ? 0 : s.embedding);
  for (const double bytes : s.layer) total += bytes;
  const double least = std::ceil(total / s.usable);
  // Every wafer beyond one a layer would stand empty.
  const int most = std::min(kMaxWafers, static_cast<int>(s.layer.size()) + 2);
  for (int n = std::max(1, static_cast<int>(std::min(least, 1e6))); n <= most; ++n) {
    std::vector<int> cut = Cut(s, tied, n);
    *used = n;
    if (!cut.empty()) return cut;
  }
  return DoesNotFit(s, most);
}

}  // namespace

absl::StatusOr<WaferLayout> LayOut(const ModelShape& shape, const ModelLayers& layers,
                                   const silicon::WaferSpec& wafer, const LayoutNeeds& needs) {
  if (needs.wafers < 0 || needs.wafers > kMaxWafers) {
    return absl::InvalidArgumentError(
        absl::StrCat("wafers is ", needs.wafers, ", must lie in [0, ", kMaxWafers, "]"));
  }
  for (const double bytes : {needs.bytes_per_weight, needs.bytes_per_kv_value}) {
    if (!(bytes > 0 && bytes <= 8)) {
      return absl::InvalidArgumentError("bytes per weight and KV value must lie in (0, 8]");
    }
  }
  if (!(needs.cached_positions >= 0 && needs.cached_positions <= 1e15)) {
    return absl::InvalidArgumentError("cached positions must lie in [0, 1e15]");
  }
  const Sizes sizes = SizesOf(shape, layers, wafer, needs);
  WaferLayout layout;
  WL_ASSIGN_OR_RETURN(layout.wafer_of_layer,
                      CutToFit(sizes, shape.tied_embeddings, needs.wafers, &layout.wafers));
  layout.usable_bytes_per_wafer = sizes.usable;

  const bool once = shape.tied_embeddings && layout.wafers == 1;
  std::vector<double> load(static_cast<size_t>(layout.wafers), 0.0);  // weights
  if (!once) load.front() += sizes.embedding;
  load.back() += sizes.head;
  for (size_t i = 0; i < sizes.weights.size(); ++i) {
    load[static_cast<size_t>(layout.wafer_of_layer[i])] += sizes.weights[i];
  }
  const double cores = wafer.grid_columns.value * wafer.grid_rows.value;
  layout.head_cores = cores * sizes.head / load.back();
  double fullest = 0;
  for (const double bytes : load) {
    layout.weight_bytes += bytes;
    fullest = std::max(fullest, bytes);
  }
  layout.free_bytes = (sizes.usable - fullest) * layout.wafers;
  for (size_t i = 0; i < sizes.weights.size(); ++i) {
    const uint8_t kind = layers.kind_of[i];
    const int on = layout.wafer_of_layer[i];
    const auto same =
        std::find_if(layout.groups.begin(), layout.groups.end(),
                     [&](const LayoutGroup& g) { return g.kind == kind && g.wafer == on; });
    if (same != layout.groups.end()) {
      ++same->layers;
      continue;
    }
    layout.groups.push_back(
        {kind, on, 1, cores * sizes.weights[i] / load[static_cast<size_t>(on)]});
  }
  std::vector<int> on_wafer(static_cast<size_t>(layout.wafers), 0);
  for (const int on : layout.wafer_of_layer) ++on_wafer[static_cast<size_t>(on)];
  for (LayoutGroup& group : layout.groups) {
    group.layers_on_wafer = on_wafer[static_cast<size_t>(group.wafer)];
  }
  return layout;
}

}  // namespace waferline::timing
