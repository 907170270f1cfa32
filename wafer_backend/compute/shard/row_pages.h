// Where the rows of a step store their keys and values. Owner: a LayerStack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wafer_backend/compute/kernels/kv_page.h"
#include "wafer_backend/compute/shard/kv_layers.h"
#include "wafer_backend/compute/shard/kv_pages.h"

namespace waferline::shard {

// Consecutive positions of one sequence within a step; its pages hold what they see.
struct Run {
  const SequencePages* pages = nullptr;
  int64_t first_position = 0;
  int64_t rows = 0;
  int64_t kv_only = 0;  // this many first rows matter to later positions alone
};

class RowPages {
 public:
  explicit RowPages(const KvLayers& layers) : layers_(layers) {}

  // The rows of all runs, one after the other, until the next call.
  void Find(std::span<const Run> runs) {
    slots_.clear();
    pages_.clear();
    for (size_t group = 0; group < layers_.groups().size(); ++group) {
      for (const Run& run : runs) {
        for (int64_t i = 0; i < run.rows; ++i) {
          const int64_t position = run.first_position + i;
          pages_.push_back(run.pages->page(group, position / layers_.page_tokens()));
          if (group == 0) slots_.push_back(position % layers_.page_tokens());
        }
      }
    }
  }

  // key, value: as StoreKv reads them. Different rows may be stored at the same time.
  void Store(int64_t layer, int64_t row, const float* key, const float* value) const {
    const auto [group, index] = layers_.place(layer);
    const size_t at = group * slots_.size() + static_cast<size_t>(row);
    kernels::StoreKv(layers_.groups()[group].layout, pages_[at], index, slots_[row], key, value);
  }

 private:
  const KvLayers& layers_;
  std::vector<int64_t> slots_;     // of each row in its pages
  std::vector<std::byte*> pages_;  // [groups of layers][rows]
};

}  // namespace waferline::shard
