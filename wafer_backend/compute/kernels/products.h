// One task of a matrix product: some panels of weights times all groups of activations. Inner part
// of matrix.h. What runs a task is QuantTraits::multiply of its weights' type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "wafer_backend/compute/kernels/activations.h"
#include "wafer_backend/compute/kernels/matrix.h"

namespace waferline::kernels {

struct ProductTask {
  const Product* product;
  int64_t first_panel;
  int64_t end_panel;
  std::span<const ColumnGroup> groups;
  std::byte* workspace;  // of the worker, WorkspaceBytes of the weights
};

// With this many groups, types whose activations are ForWinograd go through Winograd's products
// (winograd-inl.h) on AVX-512. Q4_0: 1.01 times as fast with 8, 1.1 with 22, 0.95 with 6.
inline constexpr int64_t kWinogradGroups = 8;

// A block of a panel as those read it.
struct WinogradBlock {
  uint8_t values[8][kPanelRows * 4];  // [quad][row][4], with the factors' offsets
  int32_t start[kPanelRows];          // what sums start from on behalf of the weights
  float scale[kPanelRows];
};
struct WinogradBlockWithMin : WinogradBlock {
  float min[kPanelRows];
};

// The forms of activations in this many groups that weights of this type are multiplied by.
void AddForms(DType dtype, CpuPath path, int64_t groups, ActivationForms* forms);

// A block of 32 columns of a panel, unpacked for several groups to read: bytes, and its parts'
// scales and minima as floats.
constexpr int64_t UnpackedBlockBytes(const QuantTraits& type) {
  const int64_t numbers = kActivationBlock / type.part_length * (type.minima ? 2 : 1);
  return (kActivationBlock + numbers * 4) * kPanelRows;
}

// Room for as many panels as are multiplied at once, unpacked.
Bytes WorkspaceBytes(const PackedMatrix& weights);

}  // namespace waferline::kernels
