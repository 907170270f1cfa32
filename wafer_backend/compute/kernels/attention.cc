#include "wafer_backend/compute/kernels/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/half.h"

namespace waferline::kernels {
namespace {

// The running softmax of one (row, head).
struct Running {
  float largest = -std::numeric_limits<float>::infinity();
  float weight_sum = 0;
  std::array<float, 1024> value_sum = {};
};

void TakePage(const KvPageLayout& layout, const uint16_t* keys, const uint16_t* values,
              int64_t seen, const float* query, float scale, Running* run) {
  const auto widen = layout.dtype == DType::kF16 ? FloatFromF16 : FloatFromBf16;
  std::array<float, 256> score;
  float largest = run->largest;
  for (int64_t t = 0; t < seen; ++t) {
    float sum = 0;
    for (int64_t d = 0; d < layout.head_dim; ++d) {
      sum += query[d] * widen(keys[d * layout.page_tokens + t]);
    }
    score[t] = sum * scale;
    largest = std::max(largest, score[t]);
  }
  const float shrink = std::exp(run->largest - largest);
  run->largest = largest;
  run->weight_sum *= shrink;
  for (int64_t d = 0; d < layout.head_dim; ++d) run->value_sum[d] *= shrink;
  for (int64_t t = 0; t < seen; ++t) {
    const float weight = std::exp(score[t] - largest);
    run->weight_sum += weight;
    for (int64_t d = 0; d < layout.head_dim; ++d) {
      run->value_sum[d] += weight * widen(values[t * layout.head_dim + d]);
    }
  }
}

void AttendRow(const AttentionShape& shape, const KvPageLayout& layout, int64_t layer,
               const QueryRun& run, int64_t row, int64_t head) {
  const int64_t at = (row * shape.heads + head) * layout.head_dim;
  const int64_t kv_head = head / (shape.heads / layout.kv_heads);
  const int64_t head_elements = layout.head_dim * layout.page_tokens;
  Running sums;
  const int64_t seen = run.first + row + 1;
  for (int64_t page = 0; page * layout.page_tokens < seen; ++page) {
    const auto* keys = reinterpret_cast<const uint16_t*>(run.pages[page] + layout.keys_at(layer));
    const auto* values =
        reinterpret_cast<const uint16_t*>(run.pages[page] + layout.values_at(layer));
    TakePage(layout, keys + kv_head * head_elements, values + kv_head * head_elements,
             std::min(layout.page_tokens, seen - page * layout.page_tokens), run.queries + at,
             shape.scale, &sums);
  }
  for (int64_t d = 0; d < layout.head_dim; ++d) {
    run.out[at + d] = sums.value_sum[d] / sums.weight_sum;
  }
}

}  // namespace

void Attend(const AttentionShape& shape, const KvPageLayout& layout, int64_t layer,
            std::span<const QueryRun> runs, ThreadPool& pool, Scratch& scratch, CpuPath path) {
  WL_CHECK(shape.heads > 0 && shape.heads % layout.kv_heads == 0);
  for (const QueryRun& run : runs) {
    const Bytes kv_bytes((run.first + run.rows) * layout.head_dim * 4);
    pool.ParallelFor(run.rows * shape.heads, kv_bytes, [&](int64_t task, int) {
      AttendRow(shape, layout, layer, run, task / shape.heads, task % shape.heads);
    });
  }
}

}  // namespace waferline::kernels
