#include "wafer_backend/compute/kernels/matrix.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::kernels {

Bytes PackedMatrix::PackedBytes(DType dtype, int64_t rows, int64_t cols) {
  const int64_t panels = (rows + kPanelRows - 1) / kPanelRows;
  return Bytes(panels * PanelBytes(dtype, cols));
}

absl::StatusOr<PackedMatrix> PackedMatrix::Pack(DType dtype, int64_t rows, int64_t cols,
                                                std::span<const std::byte> source, ThreadPool& pool,
                                                const PartPacked& packed) {
  if (rows <= 0 || cols <= 0 || cols % BlockLength(dtype) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("a ", Absl(Name(dtype)), " matrix of ", rows,
                                                   " x ", cols, ": rows must be positive, columns",
                                                   " a positive multiple of ", BlockLength(dtype)));
  }
  const Bytes row_bytes = BytesFor(dtype, cols);
  if (static_cast<int64_t>(source.size()) != rows * row_bytes.count()) {
    return absl::InvalidArgumentError(absl::StrCat("a ", Absl(Name(dtype)), " matrix of ", rows,
                                                   " x ", cols, " takes ", rows * row_bytes.count(),
                                                   " bytes, the tensor has ", source.size()));
  }
  PackedMatrix matrix;
  matrix.dtype_ = dtype;
  matrix.rows_ = rows;
  matrix.cols_ = cols;
  matrix.panel_bytes_ = PanelBytes(dtype, cols);
  matrix.panels_ = AlignedBuffer(PackedBytes(dtype, rows, cols));
  std::byte* panels = matrix.panels_.data();
  const Bytes source_panel = row_bytes * kPanelRows;
  const int64_t step = std::max<int64_t>(1, kPackPart / source_panel);
  for (int64_t first = 0; first < matrix.panel_count(); first += step) {
    const int64_t count = std::min(step, matrix.panel_count() - first);
    pool.ParallelFor(count, source_panel, [&](int64_t task, int) {
      const int64_t row = (first + task) * kPanelRows;
      PackPanel(dtype, source.data() + row * row_bytes.count(), std::min(kPanelRows, rows - row),
                cols, panels + (first + task) * matrix.panel_bytes_);
    });
    if (packed == nullptr) continue;
    const auto begin = static_cast<size_t>(first * source_panel.count());
    packed(source.subspan(
        begin, std::min(static_cast<size_t>(count * source_panel.count()), source.size() - begin)));
  }
  return matrix;
}

}  // namespace waferline::kernels
