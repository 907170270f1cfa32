// Weight matrices and their products with activations.
//
// Arithmetic of one output y[i][r], in one CPU path always the same steps whatever n, the threads
// and the other rows are:
//   F32        f32 sum over the columns in rising order
//   F16, BF16  both factors rounded to integers of 16 bits (int16_form.h); exact integer sums of 32
//              columns, each turned to f32, times 2^exponent, added in rising order over the 128
//              columns of a scale; those times the scale, added in rising order
//   others     activations rounded to integers of a byte, each 32 columns (Q4_0: 128) with a scale
//              of their own (activations.h); exact integer sums of each part of the weights' block
//              (32 columns; Q2_K, Q3_K, Q6_K 16), each turned to f32, times the weights' scale,
//              added in rising order to a sum in units of the activations' scale
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/statusor.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/kernels/aligned_buffer.h"
#include "wafer_backend/compute/kernels/cpu.h"
#include "wafer_backend/compute/kernels/dtype.h"
#include "wafer_backend/compute/kernels/panel.h"
#include "wafer_backend/compute/kernels/scratch.h"
#include "wafer_backend/compute/kernels/thread_pool.h"

namespace waferline::kernels {

// The weights of a linear layer, repacked once for the kernels (panel.h). Holds no reference to the
// file: its pages may be dropped afterwards. Immutable, so any number of threads and shards may
// multiply by one; move-only.
class PackedMatrix {
 public:
  PackedMatrix() = default;

  // source: `rows` (output features) rows of `cols` (input features) elements as in a GGUF file,
  // row after row, BytesFor(dtype, cols) apart. Cost: reads source once and writes about as many
  // bytes, in parallel. InvalidArgument if sizes do not match or are not whole blocks. `packed`, if
  // there is one, is called with each part of source, up to kPackPart or a panel, once that is not
  // needed any more.
  using PartPacked = std::function<void(std::span<const std::byte> part)>;
  static constexpr Bytes kPackPart = Bytes(32 << 20);
  static absl::StatusOr<PackedMatrix> Pack(DType dtype, int64_t rows, int64_t cols,
                                           std::span<const std::byte> source, ThreadPool& pool,
                                           const PartPacked& packed = nullptr);

  // What Pack will hold: within 6 % of the source (K-quants' scales are unpacked from 6 to 8 bits),
  // plus the rounding up of rows to 16, and of F16's and BF16's columns to 32.
  static Bytes PackedBytes(DType dtype, int64_t rows, int64_t cols);

  DType dtype() const { return dtype_; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  Bytes bytes() const { return panels_.size(); }

  int64_t panel_bytes() const { return panel_bytes_; }
  int64_t panel_count() const { return (rows_ + kPanelRows - 1) / kPanelRows; }
  const std::byte* panel(int64_t index) const { return panels_.data() + index * panel_bytes_; }

 private:
  DType dtype_ = DType::kF32;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  int64_t panel_bytes_ = 0;
  AlignedBuffer panels_;
};

// y = x * weights^T. y: f32 [n][weights->rows()], row-major without gaps, not overlapping x.
struct Product {
  const PackedMatrix* weights = nullptr;
  float* y = nullptr;
};

// x: f32 [n][cols], row-major without gaps. All products share x (queries, keys and values; gate
// and up) and are computed in one parallel loop; their weights have the same cols, any dtypes.
// n >= 0, any; memory in `scratch` is about 5 bytes for each element of x and 100 KiB a thread, so
// prompts are best given in chunks of 128 to 512 rows.
void MatMul(std::span<const Product> products, const float* x, int64_t n, ThreadPool& pool,
            Scratch& scratch, CpuPath path = BestPath());

// The same for rows that are multiplied by weights of their own: tokens routed to different
// experts. x: f32 [n][cols], n >= 0; all weights of all batches have the same cols.
struct Batch {
  std::span<const Product> products;
  const float* x = nullptr;
  int64_t n = 0;
};
void MatMul(std::span<const Batch> batches, ThreadPool& pool, Scratch& scratch,
            CpuPath path = BestPath());

inline void MatMul(const PackedMatrix& weights, const float* x, float* y, int64_t n,
                   ThreadPool& pool, Scratch& scratch, CpuPath path = BestPath()) {
  const Product product{&weights, y};
  MatMul(std::span(&product, 1), x, n, pool, scratch, path);
}

}  // namespace waferline::kernels
