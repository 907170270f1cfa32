// What the parts of a layer share: loops over the rows of a step, and biases. Plain functions.
#pragma once

#include <algorithm>
#include <cstdint>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/rows.h"
#include "wafer_backend/compute/kernels/thread_pool.h"
#include "wafer_backend/compute/shard/packed_model.h"

namespace waferline::shard {

// Calls body(row) once for each row in [0, rows); a row touches about `floats_each` floats.
// Neighbours stay together: the keys of a prompt's next positions share cache lines.
template <typename Body>
void EachRow(kernels::ThreadPool& pool, int64_t rows, int64_t floats_each, Body body) {
  const int64_t together = std::clamp<int64_t>(rows / (4 * pool.threads()), 1, 16);
  const int64_t tasks = (rows + together - 1) / together;
  pool.ParallelFor(tasks, Bytes(together * floats_each * 4), [&](int64_t task, int) {
    const int64_t end = std::min(rows, (task + 1) * together);
    for (int64_t row = task * together; row < end; ++row) body(row);
  });
}

// y: f32 [rows of the linear].
inline void AddBias(const PackedLinear& linear, float* y) {
  if (linear.bias.empty()) return;
  kernels::AddTo(linear.bias.data(), static_cast<int64_t>(linear.bias.size()), y);
}

}  // namespace waferline::shard
