#include <algorithm>
#include <array>
#include <vector>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/matrix.h"
#include "wafer_backend/compute/kernels/products.h"
#include "wafer_backend/compute/kernels/quant_traits.h"

namespace waferline::kernels {
namespace {

bool MultipliesBf16(DType dtype, CpuPath path) {
  return dtype == DType::kBF16 && path == CpuPath::kAvx512;
}

// Columns of one task of filling at least, where groups are too few for all threads. A multiple of
// kPartColumns.
constexpr int64_t kFillColumns = 512;

// All rows of x in the forms that the products need, in scratch memory.
std::vector<ColumnGroup> FillGroups(const ActivationForms& forms, const float* x, int64_t n,
                                    int64_t cols, ThreadPool& pool, Scratch& scratch,
                                    CpuPath path) {
  const ColumnPlan plan{n};
  const Bytes each = GroupBytes(forms, cols);
  std::byte* memory = scratch.Take(Scratch::kActivations, plan.groups() * each);
  std::vector<ColumnGroup> groups(static_cast<size_t>(plan.groups()));
  for (int64_t g = 0; g < plan.groups(); ++g) {
    groups[static_cast<size_t>(g)] =
        LayOutGroup(forms, cols, plan.count(g), memory + g * each.count());
  }
  const int64_t width = plan.groups() < 2 * pool.threads() ? kFillColumns : cols;
  const int64_t parts = (cols + width - 1) / width;
  pool.ParallelFor(plan.groups() * parts, Bytes(width * plan.count(0) * 5), [&](int64_t t, int) {
    const int64_t g = t / parts;
    const int64_t first = t % parts * width;
    FillGroup(x + plan.first(g) * cols, cols, {first, std::min(first + width, cols)},
              groups[static_cast<size_t>(g)], path);
  });
  return groups;
}

// How one product falls into tasks of about the same bytes.
struct Share {
  int64_t panels_per_task;
  int64_t tasks;
};

// Work enough for one task to outweigh its hand-over and the ragged start of a memory stream.
constexpr int64_t kTaskBytes = 128 << 10;
// Tasks for each thread at most: so late threads cost a sixteenth of a loop at worst.
constexpr int64_t kTasksPerThread = 16;

std::vector<Share> ShareOut(std::span<const Product> products, int64_t groups, int threads) {
  Bytes total;
  for (const Product& product : products) total += product.weights->bytes();
  const int64_t wanted =
      std::clamp(total.count() * groups / kTaskBytes, int64_t{threads}, threads * kTasksPerThread);
  const int64_t bytes_per_task =
      threads == 1 ? total.count() : (total.count() + wanted - 1) / wanted;
  std::vector<Share> shares;
  for (const Product& product : products) {
    const int64_t panels = product.weights->panel_count();
    const int64_t fitting = bytes_per_task / product.weights->panel_bytes();
    // An even number, as float kernels handle panels in pairs.
    const int64_t each = std::clamp<int64_t>((fitting + 1) / 2 * 2, 1, panels);
    shares.push_back({each, (panels + each - 1) / each});
  }
  return shares;
}

void Multiply(const ProductTask& task, CpuPath path) {
  const DType dtype = task.product->weights->dtype();
  if (MultipliesBf16(dtype, path)) return MultiplyBf16(task);
  TraitsOf(dtype).multiply(task, path);
}

}  // namespace

void AddForms(DType dtype, CpuPath path, int64_t groups, ActivationForms* forms) {
  const QuantTraits& type = TraitsOf(dtype);
  if (!type.quantised()) {
    (MultipliesBf16(dtype, path) ? forms->bf16 : forms->f32) = true;
    return;
  }
  const bool winograd = type.activations == Int8Form::kWinograd && path == CpuPath::kAvx512 &&
                        groups >= kWinogradGroups;
  forms->int8[static_cast<size_t>(type.activations)] = true;
  forms->start[RowOf(dtype)] |= type.offset != 0 && !winograd;
  forms->start_winograd |= winograd;
  forms->sums |= type.minima;
}

Bytes WorkspaceBytes(const PackedMatrix& weights) {
  const QuantTraits& type = TraitsOf(weights.dtype());
  if (!type.quantised()) return Bytes();
  if (type.activations == Int8Form::kFine) return Bytes(weights.cols() * kPanelRows);
  return 2 * weights.cols() / kActivationBlock * Bytes(sizeof(WinogradBlock));
}

void MatMul(std::span<const Product> products, const float* x, int64_t n, ThreadPool& pool,
            Scratch& scratch, CpuPath path) {
  WL_CHECK(n >= 0);
  if (products.empty() || n == 0) return;
  const int64_t cols = products.front().weights->cols();
  const int64_t group_count = ColumnPlan{n}.groups();
  ActivationForms forms;
  Bytes workspace;
  for (const Product& product : products) {
    WL_CHECK(product.weights->cols() == cols);
    AddForms(product.weights->dtype(), path, group_count, &forms);
    workspace = std::max(workspace, WorkspaceBytes(*product.weights));
  }
  const std::vector<ColumnGroup> groups = FillGroups(forms, x, n, cols, pool, scratch, path);
  const std::vector<Share> shares = ShareOut(products, group_count, pool.threads());
  std::byte* workspaces = scratch.Take(Scratch::kWorkers, pool.threads() * workspace);
  int64_t tasks = 0;
  for (const Share& share : shares) tasks += share.tasks;
  pool.ParallelFor(tasks, Bytes(kTaskBytes), [&](int64_t task, int worker) {
    size_t p = 0;
    for (; task >= shares[p].tasks; ++p) task -= shares[p].tasks;
    const int64_t first = task * shares[p].panels_per_task;
    const int64_t end =
        std::min(first + shares[p].panels_per_task, products[p].weights->panel_count());
    Multiply({&products[p], first, end, groups, workspaces + worker * workspace.count()}, path);
  });
}

}  // namespace waferline::kernels
