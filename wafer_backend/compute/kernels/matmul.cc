#include <algorithm>
#include <array>

#include "absl/container/inlined_vector.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/products.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {
namespace {

// What filling a number costs, in bytes that are only read in the same time (ThreadPool).
constexpr int64_t kFillBytes = 10;

// One to three products of few rows are a call's usual size: nothing is allocated for those.
template <typename T>
using Few = absl::InlinedVector<T, 4>;

// A batch's part of a call: its rows in groups, in the forms that its products need.
struct Rows {
  explicit Rows(const Batch& b) : batch(&b) {}

  const Batch* batch;
  ActivationForms forms;
  absl::InlinedVector<ColumnGroup, 1> groups;

  ColumnPlan plan() const { return {batch->n}; }
};
using AllRows = absl::InlinedVector<Rows, 1>;

// Lays out all groups in scratch memory and fills them.
void FillGroups(int64_t cols, AllRows& all, ThreadPool& pool, Scratch& scratch, CpuPath path) {
  Few<Bytes> group_bytes;  // of each batch
  Bytes bytes;
  int64_t group_count = 0;
  for (const Rows& rows : all) {
    const int64_t groups = rows.plan().groups();
    group_bytes.push_back(GroupBytes(rows.forms, cols));
    bytes += groups * group_bytes.back();
    group_count += groups;
  }
  std::byte* memory = scratch.Take(Scratch::kActivations, bytes);
  struct Filling {
    const ColumnGroup* group;
    const float* x;
  };
  Few<Filling> fillings;
  fillings.reserve(static_cast<size_t>(group_count));
  for (size_t i = 0; i < all.size(); ++i) {
    Rows& rows = all[i];
    const ColumnPlan plan = rows.plan();
    rows.groups.reserve(static_cast<size_t>(plan.groups()));
    for (int64_t g = 0; g < plan.groups(); ++g) {
      ColumnGroup& group = rows.groups.emplace_back();
      group.count = plan.count(g);
      LayOutGroup(rows.forms, cols, memory, &group);
      memory += group_bytes[i].count();
      fillings.push_back({&group, rows.batch->x + plan.first(g) * cols});
    }
  }
  // Where groups are too few for all threads, a task is a part of one.
  const int64_t tasks = pool.threads() == 1 ? 1 : 2 * pool.threads();
  const int64_t wanted = (tasks + group_count - 1) / group_count;  // parts of a group
  const int64_t width = (cols + wanted * kPartColumns - 1) / (wanted * kPartColumns) * kPartColumns;
  const int64_t parts = (cols + width - 1) / width;
  const Bytes each(width * fillings.front().group->count * kFillBytes);
  pool.ParallelFor(group_count * parts, each, [&](int64_t t, int) {
    const Filling& filling = fillings[static_cast<size_t>(t / parts)];
    const int64_t first = t % parts * width;
    FillGroup(filling.x, cols, {first, std::min(first + width, cols)}, *filling.group, path);
  });
}

// How one product falls into tasks of about the same work.
struct Share {
  const Product* product;
  std::span<const ColumnGroup> groups;
  int64_t panels_per_task;
  int64_t first_task;
};

// Work enough for one task to outweigh its hand-over and the ragged start of a memory stream.
constexpr int64_t kTaskBytes = 128 << 10;
// Tasks for each thread at most: so late threads cost a sixteenth of a loop at worst.
constexpr int64_t kTasksPerThread = 16;

struct Shares {
  Few<Share> shares;  // at least one
  int64_t tasks = 0;

  const Share& Of(int64_t task) const {
    const auto after =
        std::ranges::upper_bound(shares, task, std::ranges::less(), &Share::first_task);
    return *std::prev(after);
  }
};

Shares ShareOut(const AllRows& all, int threads) {
  int64_t work = 0;  // bytes of weights that are multiplied, once for each group
  for (const Rows& rows : all) {
    for (const Product& product : rows.batch->products) {
      work += product.weights->bytes().count() * std::ssize(rows.groups);
    }
  }
  const int64_t wanted = std::clamp(work / kTaskBytes, int64_t{threads}, threads * kTasksPerThread);
  const int64_t work_per_task = threads == 1 ? work : (work + wanted - 1) / wanted;
  Shares result;
  for (const Rows& rows : all) {
    for (const Product& product : rows.batch->products) {
      const int64_t panels = product.weights->panel_count();
      const int64_t fitting =
          work_per_task / (product.weights->panel_bytes() * std::ssize(rows.groups));
      // An even number, as float kernels handle panels in pairs.
      const int64_t each = std::clamp<int64_t>((fitting + 1) / 2 * 2, 1, panels);
      result.shares.push_back({&product, rows.groups, each, result.tasks});
      result.tasks += (panels + each - 1) / each;
    }
  }
  return result;
}

void Multiply(const ProductTask& task, CpuPath path) {
  TraitsOf(task.product->weights->dtype()).multiply(task, path);
}

}  // namespace

void AddForms(DType dtype, CpuPath path, int64_t groups, ActivationForms* forms) {
  const QuantTraits& type = TraitsOf(dtype);
  if (!type.quantised()) {
    (type.int16() ? forms->int16 : forms->f32) = true;
    return;
  }
  const bool winograd =
      ForWinograd(type.activations) && UsesAvx512(path) && groups >= kWinogradGroups;
  ActivationForms::Int8& int8 = forms->int8[static_cast<size_t>(type.activations)];
  int8.q = true;
  int8.wide |= type.wide() && path == CpuPath::kAvx2;
  int8.start_winograd |= winograd;
  int8.sums |= type.minima && type.part_length == 32;
  int8.half_sums |= type.minima && type.part_length == 16;
  forms->start[RowOf(dtype)] |= type.offset != 0 && !winograd;
}

Bytes WorkspaceBytes(const PackedMatrix& weights) {
  const QuantTraits& type = TraitsOf(weights.dtype());
  if (!type.quantised()) return Bytes();
  const int64_t block = std::max<int64_t>(UnpackedBlockBytes(type), sizeof(WinogradBlockWithMin));
  return Bytes(2 * weights.cols() / kActivationBlock * block);
}

void MatMul(std::span<const Product> products, const float* x, int64_t n, ThreadPool& pool,
            Scratch& scratch, CpuPath path) {
  const Batch batch{products, x, n};
  MatMul(std::span(&batch, 1), pool, scratch, path);
}

void MatMul(std::span<const Batch> batches, ThreadPool& pool, Scratch& scratch, CpuPath path) {
  AllRows all;
  all.reserve(batches.size());
  Bytes workspace;
  int64_t cols = 0;
  for (const Batch& batch : batches) {
    WL_CHECK(batch.n >= 0);
    if (batch.products.empty() || batch.n == 0) continue;
    if (all.empty()) cols = batch.products.front().weights->cols();
    Rows& rows = all.emplace_back(batch);
    for (const Product& product : batch.products) {
      WL_CHECK(product.weights->cols() == cols);
      AddForms(product.weights->dtype(), path, rows.plan().groups(), &rows.forms);
      workspace = std::max(workspace, WorkspaceBytes(*product.weights));
    }
  }
  if (all.empty()) return;
  FillGroups(cols, all, pool, scratch, path);
  const Shares shares = ShareOut(all, pool.threads());
  std::byte* workspaces = scratch.Take(Scratch::kWorkers, pool.threads() * workspace);
  pool.ParallelFor(shares.tasks, Bytes(kTaskBytes), [&](int64_t task, int worker) {
    const Share& share = shares.Of(task);
    const int64_t first = (task - share.first_task) * share.panels_per_task;
    const int64_t end =
        std::min(first + share.panels_per_task, share.product->weights->panel_count());
    Multiply({share.product, first, end, share.groups, workspaces + worker * workspace.count()},
             path);
  });
}

}  // namespace waferline::kernels
