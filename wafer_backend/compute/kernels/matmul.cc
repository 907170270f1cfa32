#include <algorithm>
#include <cstring>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/kernels/activations.h"
#include "wafer_backend/compute/kernels/half.h"
#include "wafer_backend/compute/kernels/matrix.h"

namespace waferline::kernels {
namespace {

// The quantised form of all rows, one array each, in scratch memory.
struct Activations {
  const float* x = nullptr;
  int64_t cols = 0;
  int8_t* q = nullptr;
  float* scale = nullptr;
  int32_t* sums = nullptr;
  QuantisedRow row(int64_t i) const {
    return {q + i * cols, scale + i * (cols / 32), sums + i * (cols / 16)};
  }
};

Activations Prepare(const float* x, int64_t n, int64_t cols, bool quantised, ThreadPool& pool,
                    Scratch& scratch) {
  Activations a{.x = x, .cols = cols};
  if (!quantised) return a;
  const int64_t q_bytes = (n * cols + 63) / 64 * 64;
  std::byte* memory = scratch.Take(Scratch::kActivations,
                                   Bytes(q_bytes + n * (cols / 32) * 4 + n * (cols / 16) * 4));
  a.q = reinterpret_cast<int8_t*>(memory);
  a.scale = reinterpret_cast<float*>(memory + q_bytes);
  a.sums = reinterpret_cast<int32_t*>(a.scale + n * (cols / 32));
  pool.ParallelFor(n, Bytes(cols * 5),
                   [&](int64_t i, int) { QuantiseRow(x + i * cols, cols, a.row(i)); });
  return a;
}

template <typename T>
const T* At(const std::byte* panel, int64_t offset) {
  return reinterpret_cast<const T*>(panel + offset);
}

float FloatDot(const PackedMatrix& w, const std::byte* panel, int64_t lane, const float* x) {
  float sum = 0;
  for (int64_t col = 0; col < w.cols(); ++col) {
    float weight;
    if (w.dtype() == DType::kF32) {
      weight = At<float>(panel, 0)[col * kPanelRows + lane];
    } else if (w.dtype() == DType::kF16) {
      weight = FloatFromF16(At<F16>(panel, 0)[col * kPanelRows + lane]);
    } else {
      weight = FloatFromBf16(At<BF16>(panel, 0)[(col / 2 * kPanelRows + lane) * 2 + col % 2]);
    }
    sum += weight * x[col];
  }
  return sum;
}

int UnsignedValue(const PackedMatrix& w, const std::byte* panel, int64_t lane, int64_t col) {
  const auto* values = At<uint8_t>(panel, w.layout().values);
  const int64_t byte_of_lane = lane * 4 + col % 4;
  if (w.dtype() == DType::kQ8_0) return values[col / 4 * 64 + byte_of_lane];
  const int low = (values[col / 8 * 64 + byte_of_lane] >> (col / 4 % 2 * 4)) & 15;
  const auto* top = At<uint8_t>(panel, w.layout().top_bits);
  if (w.dtype() == DType::kQ5_K) {
    return low | ((top[col / 32 * 64 + byte_of_lane] >> (col % 32 / 4)) & 1) << 4;
  }
  if (w.dtype() == DType::kQ6_K) {
    return low | ((top[col / 16 * 64 + byte_of_lane] >> (col % 16 / 4 * 2)) & 3) << 4;
  }
  return low;
}

float QuantisedDot(const PackedMatrix& w, const std::byte* panel, int64_t lane,
                   const QuantisedRow& x) {
  const PanelLayout& layout = w.layout();
  const int64_t part = w.dtype() == DType::kQ6_K ? 16 : 32;
  const int64_t length = BlockLength(w.dtype());
  float sum = 0;
  for (int64_t first = 0; first < w.cols(); first += part) {
    const int64_t unit_place = first / length * kPanelRows + lane;
    const int64_t part_place = first / part * kPanelRows + lane;
    float scale = FloatFromF16(At<F16>(panel, layout.units)[unit_place]);
    if (layout.scales >= 0) {
      scale *= static_cast<float>(At<int8_t>(panel, layout.scales)[part_place]);
    }
    int32_t dot = 0;
    for (int64_t col = first; col < first + part; ++col) {
      dot += UnsignedValue(w, panel, lane, col) * x.q[col];
    }
    int32_t x_sum = 0;
    for (int64_t half = first / 16; half < (first + part) / 16; ++half) x_sum += x.sums[half];
    dot -= ValueOffset(w.dtype()) * x_sum;
    const float x_scale = x.scale[first / kActivationBlock];
    sum += static_cast<float>(dot) * (scale * x_scale);
    if (layout.minima >= 0) {
      const float min = FloatFromF16(At<F16>(panel, layout.min_units)[unit_place]) *
                        static_cast<float>(At<int8_t>(panel, layout.minima)[part_place]);
      sum -= min * (x_scale * static_cast<float>(x_sum));
    }
  }
  return sum;
}

void MultiplyPanel(const Product& product, int64_t index, const Activations& a, int64_t n) {
  const PackedMatrix& w = *product.weights;
  const std::byte* panel = w.panel(index);
  const int64_t rows = std::min(kPanelRows, w.rows() - index * kPanelRows);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t lane = 0; lane < rows; ++lane) {
      product.y[i * w.rows() + index * kPanelRows + lane] =
          IsQuantised(w.dtype()) ? QuantisedDot(w, panel, lane, a.row(i))
                                 : FloatDot(w, panel, lane, a.x + i * a.cols);
    }
  }
}

}  // namespace

void MatMul(std::span<const Product> products, const float* x, int64_t n, ThreadPool& pool,
            Scratch& scratch, CpuPath path) {
  if (products.empty() || n == 0) return;
  const int64_t cols = products.front().weights->cols();
  bool quantised = false;
  int64_t panels = 0;
  Bytes bytes;
  for (const Product& product : products) {
    WL_CHECK(product.weights->cols() == cols);
    quantised |= IsQuantised(product.weights->dtype());
    panels += product.weights->panel_count();
    bytes += product.weights->bytes();
  }
  const Activations a = Prepare(x, n, cols, quantised, pool, scratch);
  pool.ParallelFor(panels, Bytes(bytes.count() / panels * n), [&](int64_t task, int) {
    for (const Product& product : products) {
      if (task < product.weights->panel_count()) return MultiplyPanel(product, task, a, n);
      task -= product.weights->panel_count();
    }
  });
}

}  // namespace waferline::kernels
