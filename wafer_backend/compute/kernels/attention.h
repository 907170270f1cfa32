// Causal attention with grouped heads over paged KV, prompts and single tokens alike.
//
// Each (row, head) is one running softmax over the sequence's pages in rising order (Milakov,
// Gimelshein: "Online normalizer calculation for softmax", 2018; Dao et al.: "FlashAttention",
// 2022, with the page as the block). Scores sum over head_dim in rising order, values over
// positions in rising order; nothing depends on which rows are computed together or by whom.
// Cost is linear in the positions seen; besides the arguments a thread needs less than 256 KiB.
#pragma once

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
  float* out = nullptr;            // f32 [rows][heads][head_dim]; may be `queries`
};

struct AttentionShape {
  int64_t heads = 0;  // a multiple of kv_heads; head h reads KV head h / (heads / kv_heads)
  float scale = 0;    // of the scores before softmax, usually 1 / sqrt(head_dim)
};

// Row i of a run sees positions 0 .. first + i. Runs of different sequences and lengths are
// computed in one parallel loop.
void Attend(const AttentionShape& shape, const KvPageLayout& layout, int64_t layer,
            std::span<const QueryRun> runs, ThreadPool& pool, Scratch& scratch,
            CpuPath path = BestPath());

}  // namespace waferline::kernels
