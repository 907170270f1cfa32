// Which layers of a range share KV pages: those whose queries see equally far back. A layer with a
// sliding window (or chunks) needs only the pages that its next rows see, so its group holds those
// alone, whatever the length of the sequence. A value, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/kv_page.h"
#include "wafer_backend/compute/model/model_shape.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::shard {

// Pages [first, end) of a sequence, counted from its position 0.
struct PageRange {
  int64_t first = 0;
  int64_t end = 0;
  int64_t count() const { return end - first; }
  bool operator==(const PageRange&) const = default;
};

// Pages that hold `positions` positions.
constexpr int64_t PagesFor(int64_t positions, int64_t page_tokens) {
  return (positions + page_tokens - 1) / page_tokens;
}

struct KvGroup {
  int64_t window = 0;  // as in model::LayerPlan
  int64_t chunk = 0;
  kernels::KvPageLayout layout;  // of its layers' pages

  // Of the pages, those that rows at positions [first, end) see.
  PageRange Seen(int64_t first, int64_t end) const;
};

class KvLayers {
 public:
  // `max_rows`: of one sequence in a step.
  KvLayers(const model::ModelShape& shape, LayerRange range, int64_t page_tokens, int64_t max_rows);

  std::span<const KvGroup> groups() const { return groups_; }
  struct Place {
    size_t group = 0;
    int64_t index = 0;  // of the layer in the group's pages
  };
  // `layer` counts the range's layers.
  Place place(int64_t layer) const { return places_[static_cast<size_t>(layer)]; }
  const KvGroup& group_of(int64_t layer) const { return groups_[place(layer).group]; }

  // All layers of the range side by side, as frames carry pages.
  const kernels::KvPageLayout& layout() const { return layout_; }
  int64_t page_tokens() const { return layout_.page_tokens; }

  // Pages of a group that a sequence of up to `positions` positions holds at most.
  int64_t MaxPages(size_t group, int64_t positions) const;
  // What such a sequence takes at most, over all groups.
  Bytes BytesFor(int64_t positions) const;

 private:
  const int64_t max_rows_;
  kernels::KvPageLayout layout_;
  std::vector<KvGroup> groups_;
  std::vector<Place> places_;  // of each layer
};

// How the KV of some layers lies in pages.
kernels::KvPageLayout KvLayoutOf(const model::ModelShape& shape, int64_t layers,
                                 int64_t page_tokens);

}  // namespace waferline::shard
