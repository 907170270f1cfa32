#include "wafer_backend/compute/kernels/products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "wafer_backend/compute/kernels/float_matmul.cc"
#include "wafer_backend/compute/kernels/highway_paths.h"
// clang-format off
#include "hwy/foreach_target.h"
// clang-format on
#include <algorithm>
#include <utility>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace waferline::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A panel is 16 lanes wide, the CPU's vectors 4 to 16: each is handled alone, as lanes never meet.
using Lanes = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Lanes>;

// Columns (rows of activations) and vectors of one register tile.
inline constexpr int kColumnsAtOnce = HWY_TARGET == HWY_AVX3 ? 12 : HWY_TARGET == HWY_AVX2 ? 6 : 2;
inline constexpr int kVectorsAtOnce = 2;

struct FloatPass {
  const float* values[kVectorsAtOnce];  // of each vector's first row, column 0
  float* y[kVectorsAtOnce];
  int64_t rows[kVectorsAtOnce];  // that exist, of the vector's
  int64_t cols;
  const float* x;  // [cols][stride]
  int64_t stride;
  int64_t y_stride;
};

template <int kColumns>
HWY_NOINLINE void MultiplyFloatTile(const FloatPass& pass_in) {
  const FloatPass pass = pass_in;
  const Lanes d;
  Vector sum[kVectorsAtOnce][kColumns];
#pragma GCC unroll 2
  for (int v = 0; v < kVectorsAtOnce; ++v) {
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) sum[v][j] = hn::Zero(d);
  }
  const float* at[kVectorsAtOnce] = {pass.values[0], pass.values[1]};
  const float* x = pass.x;
#pragma GCC unroll 2
  for (int64_t col = 0; col < pass.cols; ++col) {
    const Vector w0 = hn::LoadU(d, at[0]);
    const Vector w1 = hn::LoadU(d, at[1]);
    at[0] += kPanelRows;
    at[1] += kPanelRows;
#pragma GCC unroll 12
    for (int j = 0; j < kColumns; ++j) {
      const Vector xs = hn::Set(d, x[j]);
      sum[0][j] = hn::MulAdd(w0, xs, sum[0][j]);
      sum[1][j] = hn::MulAdd(w1, xs, sum[1][j]);
    }
    x += pass.stride;
  }
  for (int v = 0; v < kVectorsAtOnce; ++v) {
    for (int j = 0; j < kColumns; ++j) {
      HWY_ALIGN float lanes[16];
      hn::Store(sum[v][j], d, lanes);
      std::copy_n(lanes, pass.rows[v], pass.y[v] + j * pass.y_stride);
    }
  }
}

template <int... kColumns>
HWY_INLINE void MultiplyFloatTileOf(int64_t columns, const FloatPass& pass,
                                    std::integer_sequence<int, kColumns...>) {
  ((columns == kColumns + 1 ? MultiplyFloatTile<kColumns + 1>(pass) : void()), ...);
}

// The tile's vectors are numbers first, first + 1 of the task's rows.
FloatPass PassFor(const ProductTask& task, int64_t first, const ColumnGroup& group, int64_t j,
                  int64_t first_row) {
  const PackedMatrix& m = *task.product->weights;
  const auto lanes = static_cast<int64_t>(hn::Lanes(Lanes()));
  FloatPass pass;
  for (int v = 0; v < kVectorsAtOnce; ++v) {
    const int64_t row = task.first_panel * kPanelRows + (first + v) * lanes;
    // Beyond the task's last panel the last vector is computed again and not stored.
    const bool exists = row < std::min(task.end_panel * kPanelRows, m.rows());
    const int64_t at = exists ? row : task.first_panel * kPanelRows + first * lanes;
    pass.values[v] = reinterpret_cast<const float*>(m.panel(at / kPanelRows)) + at % kPanelRows;
    pass.y[v] = task.product->y + (first_row + j) * m.rows() + at;
    pass.rows[v] = exists ? std::min(lanes, m.rows() - row) : 0;
  }
  pass.cols = m.cols();
  pass.x = group.f32 + j;
  pass.stride = group.count;
  pass.y_stride = m.rows();
  return pass;
}

void MultiplyF32(const ProductTask& task) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(Lanes()));
  const int64_t rows = std::min(task.end_panel * kPanelRows, task.product->weights->rows()) -
                       task.first_panel * kPanelRows;
  for (int64_t first = 0; first * lanes < rows; first += kVectorsAtOnce) {
    int64_t row = 0;
    for (const ColumnGroup& group : task.groups) {
      // Tiles as even as can be: the sums of a small one wait for themselves.
      const int64_t tiles = (group.count + kColumnsAtOnce - 1) / kColumnsAtOnce;
      for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t j = group.count * tile / tiles;
        MultiplyFloatTileOf(group.count * (tile + 1) / tiles - j,
                            PassFor(task, first, group, j, row),
                            std::make_integer_sequence<int, kColumnsAtOnce>());
      }
      row += group.count;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace waferline::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace waferline::kernels {

void MultiplyF32(const ProductTask& task, CpuPath path) { WL_FOR_PATH(path, MultiplyF32)(task); }

}  // namespace waferline::kernels
#endif  // HWY_ONCE
