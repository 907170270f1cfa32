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

// Of a row's scores of a page those that count: [first, end), which may lie outside the page.
struct SeenScores {
  int64_t first, end;
};

HWY_NOINLINE void CapScores(float* scores, int64_t width, float cap) {
  const Lanes d;
  const auto inverse = hn::Set(d, 1.0f / cap);
  for (int64_t t = 0; t < width; t += static_cast<int64_t>(hn::Lanes(d))) {
    const auto score = hn::Mul(hn::LoadU(d, scores + t), inverse);
    hn::StoreU(hn::Mul(Tanh(d, score), hn::Set(d, cap)), d, scores + t);
  }
}

// Turns one row's scores of a page into weights, exp(score - largest so far), and returns what the
// row's earlier sums shrink by. Scores that do not count are minus infinity.
HWY_NOINLINE float WeighScores(float* scores, int64_t width, SeenScores seen, RunningSoftmax* run) {
  const Lanes d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const float minus_infinity = -std::numeric_limits<float>::infinity();
  std::fill(scores, scores + std::clamp<int64_t>(seen.first, 0, width), minus_infinity);
  std::fill(scores + std::clamp<int64_t>(seen.end, 0, width), scores + width, minus_infinity);
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

// The two products of some rows with a page. Columns of `keys` before the block in which the tile's
// first row begins to see are left out, and so are positions of `values` before that row's first.
struct PageTile {
  int64_t first, rows;  // of the task's rows
  int64_t from, seen;   // positions of the page that the tile sees: [from, seen)
  TileProduct keys, values;

  int64_t from_block() const { return from / KvPageLayout::kKeyBlock * KvPageLayout::kKeyBlock; }
  int64_t width() const { return (seen - from_block() + 15) / 16 * 16; }
};

template <bool kPairs>
HWY_INLINE PageTile MakeTile(const AttentionTask& task, int64_t page, int64_t first,
                             const AttentionBuffers& buffers) {
  const KvPageLayout& layout = *task.layout;
  const int64_t begin = page * layout.page_tokens;
  PageTile tile;
  tile.first = first;
  tile.rows = std::min<int64_t>(kTileRows, task.rows() - first);
  // The first row of the tile sees back furthest, the last one ahead.
  tile.from = std::max<int64_t>(0, task.FirstSeen(first) - begin);
  tile.seen = std::min(layout.page_tokens, task.Seen(first + tile.rows - 1) - begin);
  if (tile.from >= tile.seen) return tile;
  if (kPairs) tile.from -= tile.from % 2;  // so that a position's pair does not depend on the tile
  const int64_t value_width = layout.value_width();
  tile.keys = {.depth = layout.head_dim,
               .rows = buffers.queries + first * layout.head_dim,
               .row_step = layout.head_dim,
               .columns = task.Keys(page) + tile.from_block() * layout.head_dim,
               .block_step = KvPageLayout::kKeyBlock * layout.head_dim,
               .column_step = KvPageLayout::kKeyBlock,
               .out = buffers.scores + tile.from_block(),
               .out_step = layout.page_tokens};
  tile.values = {
      .depth = tile.seen - tile.from,
      .rows = buffers.scores + (kPairs ? (tile.from_block() + tile.from) / 2 : tile.from),
      .row_step = layout.page_tokens,
      .columns =
          (layout.values_in_keys ? buffers.values : task.Values(page)) + tile.from * value_width,
      .block_step = 16,
      .column_step = value_width,
      .out = buffers.value_sums + first * value_width,
      .out_step = value_width};
  return tile;
}

// While a page's keys are multiplied its values come from memory, and while its values are, the
// keys that the worker needs next: cache lines with each k, of 32 elements, so that all have been
// asked for in the end.
HWY_INLINE void FetchAhead(const AttentionTask& task, int64_t page, PageTile* tile) {
  const KvPageLayout& layout = *task.layout;
  const auto lines = [](int64_t elements, int64_t times) {
    return (elements + 32 * times - 1) / (32 * times);
  };
  if (!layout.values_in_keys) {
    tile->keys.ahead = task.Values(page);
    tile->keys.ahead_lines = lines(task.PositionsIn(page) * layout.value_width(), tile->keys.depth);
  }
  tile->values.ahead = task.KeysAfter(page);
  if (tile->values.ahead == nullptr) return;
  const int64_t next = page + 1 < task.pages() ? page + 1 : task.first_page();
  tile->values.ahead_lines = lines(task.PositionsIn(next) * layout.head_dim, tile->values.depth);
}

// Values that are the last elements of their keys, as a product with weights reads them: a position
// after the other.
HWY_NOINLINE void TakeValuesFromKeys(const AttentionTask& task, int64_t page, uint16_t* values) {
  const KvPageLayout& layout = *task.layout;
  constexpr int64_t kBlock = KvPageLayout::kKeyBlock;
  const int64_t width = layout.value_width();
  const int64_t first = layout.head_dim - width;
  for (int64_t t = 0; t < task.PositionsIn(page); t += kBlock) {
    const uint16_t* const keys = task.Keys(page) + t * layout.head_dim + first * kBlock;
    int64_t d = 0;
    for (; d + 8 <= width; d += 8) {
      Transpose8(keys + d * kBlock, kBlock, values + t * width + d, width);
      Transpose8(keys + d * kBlock + 8, kBlock, values + (t + 8) * width + d, width);
    }
    for (; d < width; ++d) {
      for (int64_t i = 0; i < kBlock; ++i) values[(t + i) * width + d] = keys[d * kBlock + i];
    }
  }
}

template <DType kDType, bool kPairs>
void TakePage(const AttentionTask& task, int64_t page, const AttentionBuffers& buffers) {
  const int64_t page_tokens = task.layout->page_tokens;
  const int64_t begin = page * page_tokens;
  if (task.layout->values_in_keys) TakeValuesFromKeys(task, page, buffers.values);
  for (int64_t first = 0; first < task.rows(); first += kTileRows) {
    PageTile tile = MakeTile<kPairs>(task, page, first, buffers);
    if (tile.from >= tile.seen) continue;
    if (first == 0) FetchAhead(task, page, &tile);
    float shrink[kTileRows];
    tile.values.first_scale = shrink;
    Multiply<kDType, kPairs>(tile.rows, tile.width(), tile.keys);
    const int64_t score_begin = begin + tile.from_block();
    for (int64_t r = 0; r < tile.rows; ++r) {
      float* const scores = tile.keys.out + r * page_tokens;
      const SeenScores seen = {task.FirstSeen(first + r) - score_begin,
                               task.Seen(first + r) - score_begin};
      if (task.shape->softcap > 0) CapScores(scores, tile.width(), task.shape->softcap);
      shrink[r] = WeighScores(scores, tile.width(), seen, buffers.running + first + r);
#if HWY_TARGET == HWY_AVX3
      if constexpr (kPairs) RoundToPairs(scores, tile.width());
#endif
    }
    Multiply<kDType, kPairs>(tile.rows, task.layout->value_width(), tile.values);
  }
}

template <bool kPairs>
void AttendAs(const AttentionTask& task, const AttentionBuffers& buffers) {
  const int64_t head_dim = task.layout->head_dim;
  const int64_t value_width = task.layout->value_width();
  const float* const sinks = task.shape->sinks;
  for (int64_t r = 0; r < task.rows(); ++r) {
    const float* query = task.Query(r);
    float* scaled = buffers.queries + r * head_dim;
    for (int64_t d = 0; d < head_dim; ++d) scaled[d] = query[d] * task.shape->scale;
#if HWY_TARGET == HWY_AVX3
    if constexpr (kPairs) RoundToPairs(scaled, head_dim);
#endif
    buffers.running[r] = sinks == nullptr
                             ? RunningSoftmax()
                             : RunningSoftmax{.largest = sinks[task.HeadOfRow(r)], .weight_sum = 1};
  }
  std::fill_n(buffers.value_sums, task.rows() * value_width, 0.0f);
  for (int64_t page = task.first_page(); page < task.pages(); ++page) {
    if (task.layout->dtype == DType::kF16) {
      TakePage<DType::kF16, kPairs>(task, page, buffers);
    } else {
      TakePage<DType::kBF16, kPairs>(task, page, buffers);
    }
  }
  for (int64_t r = 0; r < task.rows(); ++r) {
    float* out = task.Out(r);
    const float* sums = buffers.value_sums + r * value_width;
    const float factor = 1.0f / buffers.running[r].weight_sum;
    for (int64_t d = 0; d < value_width; ++d) out[d] = sums[d] * factor;
  }
}

void Attend(const AttentionTask& task, const AttentionBuffers& buffers) {
  AttendAs<false>(task, buffers);
}

void AttendInPairs(const AttentionTask& task, const AttentionBuffers& buffers) {
#if HWY_TARGET == HWY_AVX3
  AttendAs<true>(task, buffers);
#else
  WL_CHECK(false);
#endif
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

int64_t PositionsEach(int64_t heads_each) { return std::max<int64_t>(1, kTaskRows / heads_each); }

}  // namespace

Bytes AttentionWorkingBytes(int64_t heads, const KvPageLayout& layout) {
  const int64_t heads_each = heads / layout.kv_heads;
  return AttentionBuffers::Size(layout, PositionsEach(heads_each) * heads_each);
}

void Attend(const AttentionShape& shape, const KvPageLayout& layout, int64_t layer,
            std::span<const QueryRun> runs, ThreadPool& pool, Scratch& scratch, CpuPath path) {
  WL_CHECK(shape.heads > 0 && shape.heads % layout.kv_heads == 0);
  WL_CHECK(shape.softcap >= 0 && shape.window >= 0 && shape.chunk >= 0);
  const int64_t heads_each = shape.heads / layout.kv_heads;
  const int64_t positions_each = PositionsEach(heads_each);
  const auto parts_of = [&](const QueryRun& run) {
    return (run.rows + positions_each - 1) / positions_each;
  };
  int64_t parts = 0;
  int64_t positions_seen = 0;
  for (const QueryRun& run : runs) {
    parts += parts_of(run);
    const int64_t last = run.first + run.rows - 1;
    if (run.rows > 0) positions_seen += last + 1 - shape.FirstSeen(last);
  }
  if (parts == 0) return;
  const int64_t kv_heads_each = std::clamp<int64_t>(
      parts * layout.kv_heads / (kTasksPerThread * pool.threads()), 1, layout.kv_heads);
  const int64_t tasks_each = (layout.kv_heads + kv_heads_each - 1) / kv_heads_each;
  const Bytes each = AttentionWorkingBytes(shape.heads, layout);
  std::byte* memory = scratch.Take(Scratch::kWorkers, pool.threads() * each);
  const auto attend =
      path == CpuPath::kAvx512Bf16 ? WL_FOR_PATH(path, AttendInPairs) : WL_FOR_PATH(path, Attend);
  const Bytes task_bytes(positions_seen * kv_heads_each * (layout.head_dim + layout.value_width()) *
                         2 / parts);
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
        .shape = &shape,
        .heads_each = heads_each,
        .first_row = first_row,
        .positions = std::min(positions_each, run->rows - first_row),
    };
    const auto buffers =
        AttentionBuffers::At(memory + worker * each.count(), layout, positions_each * heads_each);
    for (; task.kv_head < task.end_kv_head; ++task.kv_head) attend(task, buffers);
  });
}

}  // namespace waferline::kernels
#endif  // HWY_ONCE
