// Causal attention with grouped heads over paged KV, prompts and single tokens alike.
//
// Each (row, head) is one running softmax over the sequence's pages in rising order (Milakov,
// Gimelshein: "Online normalizer calculation for softmax", 2018; Dao et al.: "FlashAttention",
// 2022, with the page as the block). Scores sum over head_dim in rising order, values over
// positions in rising order; nothing depends on which rows are computed together or by whom.
// kAvx512Bf16: queries, keys, weights and values are rounded to bf16 for the products, and two
// terms are added at once, of k and k + 1 for even k, as vdpbf16ps orders and rounds them. Cost is
// linear in the positions seen: blocks of positions that no row of a task sees are never read, so
// their pages need not be there (any pointer). Besides the arguments a thread needs
// AttentionWorkingBytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "wafer_backend/compute/kernels/cpu.h"
#include "wafer_backend/compute/kernels/kv_page.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/kernels/thread_pool.h"

namespace waferline::kernels {

// Consecutive positions of one sequence: a decode step has one row, a prefill chunk many. The KV of
// these positions is already stored.
struct QueryRun {
  const std::byte* const* pages = nullptr;  // [ceil((first + rows) / page_tokens)], 64-byte aligned
  int64_t first = 0;                        // position of the first row
  int64_t rows = 0;
  const float* queries = nullptr;  // f32 [rows][heads][head_dim]
  // f32 [rows][heads][value_width]; may be `queries` if both are as wide
  float* out = nullptr;
};

struct AttentionShape {
  int64_t heads = 0;  // a multiple of kv_heads; head h reads KV head h / (heads / kv_heads)
  float scale = 0;    // of the scores before softmax, usually 1 / sqrt(head_dim)
  // 0: none; else a score s becomes softcap * tanh(s / softcap) (Gemma Team: "Gemma 2", 2024).
  float softcap = 0;
  // Positions that a row sees, its own included; 0: all before it (Beltagy et al.: "Longformer",
  // 2020).
  int64_t window = 0;
  int64_t chunk = 0;  // a row sees its own chunk's positions only, n chunk to (n + 1) chunk; 0: all
  // A logit of each head that takes its share of the softmax and has no value (OpenAI: "gpt-oss",
  // 2025): f32 [heads], finite; nullptr: none.
  const float* sinks = nullptr;

  // The first position that the row at `position` sees; the last is its own.
  int64_t FirstSeen(int64_t position) const {
    int64_t first = 0;
    if (window > 0) first = std::max(first, position + 1 - window);
    if (chunk > 0) first = std::max(first, position / chunk * chunk);
    return first;
  }
};

// 4 (head_dim + value_width + 2) max(48, heads / kv_heads) bytes and 48 a position of a page, and
// 2 value_width more a position if values are in the keys.
Bytes AttentionWorkingBytes(int64_t heads, const KvPageLayout& layout);

// Row i of a run sees positions shape.FirstSeen(first + i) .. first + i. Runs of different
// sequences and lengths are computed in one parallel loop.
void Attend(const AttentionShape& shape, const KvPageLayout& layout, int64_t layer,
            std::span<const QueryRun> runs, ThreadPool& pool, Scratch& scratch,
            CpuPath path = BestPath());

}  // namespace waferline::kernels
