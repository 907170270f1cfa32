// One task of attention: the query rows of some positions, KV head by KV head, against all pages
// that they see. Inner part of attention.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "wafer_backend/compute/kernels/attention.h"

namespace waferline::kernels {

// Row r of the head at hand is query head r % heads_each of position r / heads_each.
struct AttentionTask {
  const QueryRun* run;
  const KvPageLayout* layout;
  int64_t layer;
  int64_t kv_head;      // the one at hand
  int64_t end_kv_head;  // the worker goes on with the next one until here
  int64_t heads;
  int64_t heads_each;  // query heads that share a KV head
  int64_t first_row;   // of the run
  int64_t positions;
  float scale;

  int64_t rows() const { return positions * heads_each; }
  // Positions that row r sees.
  int64_t Seen(int64_t r) const { return run->first + first_row + r / heads_each + 1; }
  // Of row r's query and output in the run's arrays.
  int64_t OffsetOfRow(int64_t r) const {
    const int64_t head = kv_head * heads_each + r % heads_each;
    return ((first_row + r / heads_each) * heads + head) * layout->head_dim;
  }
  // Positions that the last row sees, in pages.
  int64_t pages() const {
    return (Seen(rows() - 1) + layout->page_tokens - 1) / layout->page_tokens;
  }
  int64_t PositionsIn(int64_t page) const {
    return std::min(layout->page_tokens, Seen(rows() - 1) - page * layout->page_tokens);
  }
  const uint16_t* Keys(int64_t page) const { return Head(page, layout->keys_at(layer), kv_head); }
  const uint16_t* Values(int64_t page) const {
    return Head(page, layout->values_at(layer), kv_head);
  }
  // The keys to be multiplied after this page: of the next one, or of the next head's first; or
  // null.
  const uint16_t* KeysAfter(int64_t page) const {
    if (page + 1 < pages()) return Keys(page + 1);
    if (kv_head + 1 == end_kv_head) return nullptr;
    return Head(0, layout->keys_at(layer), kv_head + 1);
  }

 private:
  const uint16_t* Head(int64_t page, int64_t section, int64_t head) const {
    return reinterpret_cast<const uint16_t*>(run->pages[page] + section) +
           head * layout->head_dim * layout->page_tokens;
  }
};

// The online softmax of one row (Milakov, Gimelshein 2018): weights seen so far are relative to
// the largest score seen so far.
struct RunningSoftmax {
  float largest = -std::numeric_limits<float>::infinity();
  float weight_sum = 0;
};

// A worker's arrays.
struct AttentionBuffers {
  static constexpr int64_t kMaxTileRows = 12;

  RunningSoftmax* running;  // [rows]
  float* queries;           // [rows][head_dim], scaled
  float* value_sums;        // [rows][head_dim]
  float* scores;            // [kMaxTileRows][page_tokens], then weights

  static Bytes Size(const KvPageLayout& layout, int64_t rows) {
    const int64_t floats = 2 * rows * (layout.head_dim + 1) + kMaxTileRows * layout.page_tokens;
    return Bytes((floats * 4 + 63) / 64 * 64);
  }

  static AttentionBuffers At(std::byte* memory, const KvPageLayout& layout, int64_t rows) {
    AttentionBuffers buffers;
    buffers.running = reinterpret_cast<RunningSoftmax*>(memory);
    buffers.queries = reinterpret_cast<float*>(buffers.running + rows);
    buffers.value_sums = buffers.queries + rows * layout.head_dim;
    buffers.scores = buffers.value_sums + rows * layout.head_dim;
    return buffers;
  }
};

}  // namespace waferline::kernels
