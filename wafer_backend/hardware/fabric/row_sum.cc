#include "wafer_backend/hardware/fabric/row_sum.h"

#include <algorithm>
#include <vector>

namespace waferline::fabric {

bool RowSumsAtFirst(const CollectiveSize& size, const Fabric& fabric) {
  for (int row = 0; row < size.rows(); ++row) {
    for (int i = 0; i < size.length; ++i) {
      uint32_t sum = 0;
      for (int column = 0; column < size.columns; ++column) sum += InitialWord(column, row, i);
      if (fabric.memory(fabric.Tile(0, row))[static_cast<size_t>(i)] != sum) return false;
    }
  }
  return true;
}

bool GridSumsEverywhere(const CollectiveSize& size, const Fabric& fabric) {
  std::vector<uint32_t> sums(static_cast<size_t>(size.length));
  for (int tile = 0; tile < size.tiles(); ++tile) {
    for (size_t i = 0; i < sums.size(); ++i) {
      sums[i] += InitialWord(tile % size.columns, tile / size.columns, static_cast<int>(i));
    }
  }
  for (int tile = 0; tile < size.tiles(); ++tile) {
    if (!std::ranges::equal(fabric.memory(tile).first(sums.size()), sums)) return false;
  }
  return true;
}

}  // namespace waferline::fabric
