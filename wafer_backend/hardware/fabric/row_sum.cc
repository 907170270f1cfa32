#include "wafer_backend/hardware/fabric/row_sum.h"

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
  for (int i = 0; i < size.length; ++i) {
    uint32_t sum = 0;
    for (int tile = 0; tile < size.tiles(); ++tile) {
      sum += InitialWord(tile % size.columns, tile / size.columns, i);
    }
    for (int tile = 0; tile < size.tiles(); ++tile) {
      if (fabric.memory(tile)[static_cast<size_t>(i)] != sum) return false;
    }
  }
  return true;
}

}  // namespace waferline::fabric
