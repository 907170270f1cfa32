#include "wafer_backend/compute/shard/kv_layers.h"

#include <algorithm>

#include "wafer_backend/compute/kernels/attention.h"

namespace waferline::shard {

kernels::KvPageLayout KvLayoutOf(const model::ModelShape& shape, int64_t layers,
                                 int64_t page_tokens) {
  return {.layers = layers,
          .kv_heads = shape.kv_heads,
          .head_dim = shape.head_dim,
          .page_tokens = page_tokens,
          .value_dim = shape.value_dim,
          .values_in_keys = shape.latent.kv_rank > 0};
}

PageRange KvGroup::Seen(int64_t first, int64_t end) const {
  const kernels::AttentionShape sight{.window = window, .chunk = chunk};
  return {sight.FirstSeen(first) / layout.page_tokens, PagesFor(end, layout.page_tokens)};
}

KvLayers::KvLayers(const model::ModelShape& shape, LayerRange range, int64_t page_tokens,
                   int64_t max_rows)
    : max_rows_(max_rows), layout_(KvLayoutOf(shape, range.count(), page_tokens)) {
  for (int64_t layer = range.first; layer < range.end; ++layer) {
    // What reaches over the whole context is not a bound.
    const auto bound = [&](int64_t reach) { return reach < shape.context ? reach : 0; };
    const int64_t window = bound(shape.plan[layer].window), chunk = bound(shape.plan[layer].chunk);
    const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const KvGroup& group) {
      return group.window == window && group.chunk == chunk;
    });
    const auto index = static_cast<size_t>(found - groups_.begin());
    if (found == groups_.end()) {
      groups_.push_back({window, chunk, KvLayoutOf(shape, 0, page_tokens)});
    }
    places_.push_back({index, groups_[index].layout.layers++});
  }
}

int64_t KvLayers::MaxPages(size_t group, int64_t positions) const {
  const int64_t pages = PagesFor(positions, page_tokens());
  const KvGroup& of = groups_[group];
  int64_t reach = std::max(of.window, of.chunk);
  if (reach == 0) return pages;
  if (of.window > 0 && of.chunk > 0) reach = std::min(of.window, of.chunk);
  // What the first of max_rows rows sees and the other rows, beginning anywhere in a page.
  const int64_t most = reach + max_rows_ - 1;
  return std::min(pages, (most + page_tokens() - 2) / page_tokens() + 1);
}

Bytes KvLayers::BytesFor(int64_t positions) const {
  Bytes sum;
  for (size_t group = 0; group < groups_.size(); ++group) {
    sum += MaxPages(group, positions) * groups_[group].layout.page_bytes();
  }
  return sum;
}

}  // namespace waferline::shard
