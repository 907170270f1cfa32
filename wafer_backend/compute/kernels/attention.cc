#include "wafer_backend/compute/kernels/attention.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/attention.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <algorithm>
#include <limits>

#include "hwy/highway.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/attention_task.h"
#include "wafer_backend/compute/kernels/attention_tiles-inl.h"
#include "wafer_backend/compute/kernels/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {

static_assert(kTileRows <= AttentionBuffers::kMaxTileRows);

// Turns one row's scores of a page into weights, exp(score - largest so far), and returns what the
// row's earlier sums shrink by. Scores from `seen` on count as minus infinity.
HWY_NOINLINE float WeighScores(float* scores, int64_t width, int64_t seen, RunningSoftmax* run) {
  const Lanes d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const float minus_infinity = -std::numeric_limits<float>::infinity();
  std::fill(scores + std::clamp<int64_t>(seen, 0, width), scores + width, minus_infinity);
  auto top = hn::Set(d, run->largest);
  for (int64_t t = 0; t < width; t += lanes) top = hn::Max(top, hn::LoadU(d, scores + t));
  const float largest = hn::GetLane(hn::MaxOfLanes(d, top));
  if (largest == minus_infinity) {  // this row sees nothing of the page
    std::fill(scores, scores + width, 0.0f);
    return 1.0f;
  }
  const auto shift = hn::Set(d, largest);
  auto sum = hn::Zero(d);
  for (int64_t t = 0; t < width; t += lanes) {
    const auto weight = Exp(d, hn::Sub(hn::LoadU(d, scores + t), shift));
    sum = hn::Add(sum, weight);
    hn::StoreU(weight, d, scores + t);
  }
  const float shrink = hn::GetLane(Exp(d, hn::Sub(hn::Set(d, run->largest), shift)));
  run->largest = largest;
  run->weight_sum = run->weight_sum * shrink + hn::GetLane(hn::SumOfLanes(d, sum));
  return shrink;
}

// While a page's keys are multiplied its values come from memory, and while its values are, the
// keys that the worker needs next.
template <DType kDType>
void TakePage(const AttentionTask& task, int64_t page, const AttentionBuffers& buffers) {
  const int64_t page_tokens = task.layout->page_tokens;
  const int64_t head_dim = task.layout->head_dim;
  const int64_t begin = page * page_tokens;
  for (int64_t first = 0; first < task.rows(); first += kTileRows) {
    const int64_t rows = std::min<int64_t>(kTileRows, task.rows() - first);
    // The last row of the tile sees furthest.
    const int64_t seen = std::min(page_tokens, task.Seen(first + rows - 1) - begin);
    if (seen <= 0) continue;
    const int64_t width = (seen + 15) / 16 * 16;
    TileProduct keys{.depth = head_dim,
                     .rows = buffers.queries + first * head_dim,
                     .row_step = head_dim,
                     .columns = task.Keys(page),
                     .block_step = KvPageLayout::kKeyBlock * head_dim,
                     .column_step = KvPageLayout::kKeyBlock,
                     .out = buffers.scores,
                     .out_step = page_tokens};
    float shrink[kTileRows];
    TileProduct values{.depth = seen,
                       .rows = buffers.scores,
                       .row_step = page_tokens,
                       .columns = task.Values(page),
                       .block_step = 16,
                       .column_step = head_dim,
                       .out = buffers.value_sums + first * head_dim,
                       .out_step = head_dim,
                       .first_scale = shrink};
    if (first == 0) {
      // Cache lines with each k, of 32 elements, so that all have been asked for in the end.
      keys.ahead = values.columns;
      keys.ahead_lines = (task.PositionsIn(page) + 31) / 32;
      values.ahead = task.KeysAfter(page);
      if (values.ahead != nullptr) {
        const int64_t positions = task.PositionsIn(page + 1 < task.pages() ? page + 1 : 0);
        const int64_t times = positions <= seen ? 1 : (positions + seen - 1) / seen;
        values.ahead_lines = times * ((head_dim + 31) / 32);
      }
    }
    Multiply<kDType>(rows, width, keys);
    for (int64_t r = 0; r < rows; ++r) {
      shrink[r] = WeighScores(buffers.scores + r * page_tokens, width, task.Seen(first + r) - begin,
                              buffers.running + first + r);
    }
    Multiply<kDType>(rows, head_dim, values);
  }
}

void Attend(const AttentionTask& task, const AttentionBuffers& buffers) {
  for (int64_t r = 0; r < task.rows(); ++r) {
    const float* query = task.run->queries + task.OffsetOfRow(r);
    float* scaled = buffers.queries + r * task.layout->head_dim;
    for (int64_t d = 0; d < task.layout->head_dim; ++d) scaled[d] = query[d] * task.scale;
  }
  std::fill_n(buffers.running, task.rows(), RunningSoftmax());
  std::fill_n(buffers.value_sums, task.rows() * task.layout->head_dim, 0.0f);
  for (int64_t page = 0; page < task.pages(); ++page) {
    if (task.layout->dtype == DType::kF16) {
      TakePage<DType::kF16>(task, page, buffers);
    } else {
      TakePage<DType::kBF16>(task, page, buffers);
    }
  }
  for (int64_t r = 0; r < task.rows(); ++r) {
    float* out = task.run->out + task.OffsetOfRow(r);
    const float* sums = buffers.value_sums + r * task.layout->head_dim;
    const float factor = 1.0f / buffers.running[r].weight_sum;
    for (int64_t d = 0; d < task.layout->head_dim; ++d) out[d] = sums[d] * factor;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {
namespace {

// Query rows of a task: enough to read each page of keys and values once for many, few enough for
// the task's arrays to stay in the core's own cache.
constexpr int64_t kTaskRows = 48;

// Tasks for each thread, where there is work for so many: fewer would leave threads waiting for the
// last one, more would stop fetching ahead at each one's end.
constexpr int64_t kTasksPerThread = 32;

}  // namespace

void Attend(const AttentionShape& shape, const KvPageLayout& layout, int64_t layer,
            std::span<const QueryRun> runs, ThreadPool& pool, Scratch& scratch, CpuPath path) {
  WL_CHECK(shape.heads > 0 && shape.heads % layout.kv_heads == 0);
  const int64_t heads_each = shape.heads / layout.kv_heads;
  const int64_t positions_each = std::max<int64_t>(1, kTaskRows / heads_each);
  const auto parts_of = [&](const QueryRun& run) {
    return (run.rows + positions_each - 1) / positions_each;
  };
  int64_t parts = 0;
  int64_t positions_seen = 0;
  for (const QueryRun& run : runs) {
    parts += parts_of(run);
    positions_seen += run.first + run.rows;
  }
  if (parts == 0) return;
  const int64_t kv_heads_each = std::clamp<int64_t>(
      parts * layout.kv_heads / (kTasksPerThread * pool.threads()), 1, layout.kv_heads);
  const int64_t tasks_each = (layout.kv_heads + kv_heads_each - 1) / kv_heads_each;
  const Bytes each = AttentionBuffers::Size(layout, positions_each * heads_each);
  std::byte* memory = scratch.Take(Scratch::kWorkers, pool.threads() * each);
  const auto attend = WL_FOR_PATH(path, Attend);
  const Bytes task_bytes(positions_seen * kv_heads_each * layout.head_dim * 4 / parts);
  pool.ParallelFor(parts * tasks_each, task_bytes, [&](int64_t index, int worker) {
    int64_t part = index / tasks_each;
    const QueryRun* run = runs.data();
    for (; part >= parts_of(*run); ++run) part -= parts_of(*run);
    const int64_t first_head = index % tasks_each * kv_heads_each;
    const int64_t first_row = part * positions_each;
    AttentionTask task{
        .run = run,
        .layout = &layout,
        .layer = layer,
        .kv_head = first_head,
        .end_kv_head = std::min(first_head + kv_heads_each, layout.kv_heads),
        .heads = shape.heads,
        .heads_each = heads_each,
        .first_row = first_row,
        .positions = std::min(positions_each, run->rows - first_row),
        .scale = shape.scale,
    };
    const auto buffers =
        AttentionBuffers::At(memory + worker * each.count(), layout, positions_each * heads_each);
    for (; task.kv_head < task.end_kv_head; ++task.kv_head) attend(task, buffers);
  });
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
