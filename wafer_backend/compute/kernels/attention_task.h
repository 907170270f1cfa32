// One task of attention: the query rows of some positions, KV head by KV head, against all pages
// that they see. Inner part of attention.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "wafer_backend/compute/kernels/attention.h"

namespace waferline::kernels {

// Row r of the current head is query head r % heads_each of position r / heads_each.
struct AttentionTask {
  const QueryRun* run;
  const KvPageLayout* layout;
  int64_t layer;
  int64_t kv_head;      // the current one
  int64_t end_kv_head;  // the worker goes on with the next one until here
  const AttentionShape* shape;
  int64_t heads_each;  // query heads that share a KV head
  int64_t first_row;   // of the run
  int64_t positions;

  int64_t rows() const { return positions * heads_each; }
  // Row r sees the positions from FirstSeen(r) to before Seen(r); both rise with r.
  int64_t Seen(int64_t r) const { return run->first + first_row + r / heads_each + 1; }
  int64_t FirstSeen(int64_t r) const { return shape->FirstSeen(Seen(r) - 1); }
  int64_t HeadOfRow(int64_t r) const { return kv_head * heads_each + r % heads_each; }
  const float* Query(int64_t r) const { return run->queries + IndexOfRow(r) * layout->head_dim; }
  float* Out(int64_t r) const { return run->out + IndexOfRow(r) * layout->value_width(); }
  // The pages that any row sees something of: [first_page, pages).
  int64_t first_page() const { return FirstSeen(0) / layout->page_tokens; }
  int64_t pages() const {
    return (Seen(rows() - 1) + layout->page_tokens - 1) / layout->page_tokens;
  }
  int64_t PositionsIn(int64_t page) const {
    return std::min(layout->page_tokens, Seen(rows() - 1) - page * layout->page_tokens);
  }
  const uint16_t* Keys(int64_t page) const { return KeysOf(kv_head, page); }
  // Not if they are in the keys.
  const uint16_t* Values(int64_t page) const {
    return Section(page, layout->values_at(layer)) +
           kv_head * layout->value_width() * layout->page_tokens;
  }
  // The keys to be multiplied after this page: of the next one, or of the next head's first; or
  // null.
  const uint16_t* KeysAfter(int64_t page) const {
    if (page + 1 < pages()) return Keys(page + 1);
    return kv_head + 1 == end_kv_head ? nullptr : KeysOf(kv_head + 1, first_page());
  }

 private:
  int64_t IndexOfRow(int64_t r) const {
    return (first_row + r / heads_each) * shape->heads + HeadOfRow(r);
  }
  const uint16_t* Section(int64_t page, int64_t at) const {
    return reinterpret_cast<const uint16_t*>(run->pages[page] + at);
  }
  const uint16_t* KeysOf(int64_t head, int64_t page) const {
    return Section(page, layout->keys_at(layer)) + head * layout->head_dim * layout->page_tokens;
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
  float* value_sums;        // [rows][value_width]
  float* scores;            // [kMaxTileRows][page_tokens], then weights
  uint16_t* values;         // [page_tokens][value_width] of a page, if they are in its keys

  static Bytes Size(const KvPageLayout& layout, int64_t rows) {
    const int64_t floats =
        rows * (2 + layout.head_dim + layout.value_width()) + kMaxTileRows * layout.page_tokens;
    const int64_t values = layout.values_in_keys ? layout.page_tokens * layout.value_width() : 0;
    return Bytes((floats * 4 + values * 2 + 63) / 64 * 64);
  }

  static AttentionBuffers At(std::byte* memory, const KvPageLayout& layout, int64_t rows) {
    AttentionBuffers buffers;
    buffers.running = reinterpret_cast<RunningSoftmax*>(memory);
    buffers.queries = reinterpret_cast<float*>(buffers.running + rows);
    buffers.value_sums = buffers.queries + rows * layout.head_dim;
    buffers.scores = buffers.value_sums + rows * layout.value_width();
    buffers.values =
        reinterpret_cast<uint16_t*>(buffers.scores + kMaxTileRows * layout.page_tokens);
    return buffers;
  }
};

}  // namespace waferline::kernels
