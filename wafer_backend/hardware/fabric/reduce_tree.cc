// Every row to its first core by a binary tree: in round k, cores 2^k apart pair up.
#include <algorithm>

#include "wafer_backend/hardware/fabric/line.h"
#include "wafer_backend/hardware/fabric/patterns.h"
#include "wafer_backend/hardware/fabric/row_sum.h"

namespace waferline::fabric {
namespace {

void Lay(const CollectiveSize& size, Fabric* fabric) {
  Programs programs(static_cast<size_t>(size.tiles()));
  for (int row = 0; row < size.rows(); ++row) {
    const Line line{fabric, true, row, size.columns};
    // A colour a round: paths of one round do not touch, those of different rounds overlap.
    for (int distance = 1, round = 0; distance < size.columns; distance *= 2, ++round) {
      for (int to = 0; to + distance < size.columns; to += 2 * distance) {
        AddChain(line, {to, to + distance, distance, 2 * round, size.length}, &programs);
      }
    }
  }
  SetPrograms(std::move(programs), fabric);
}

// The first core takes the last vector when it has its own half's sum and the other half's arrives.
double TreeCycles(int cores, const CollectiveSize& size) {
  if (cores < 2) return 0;
  int half = 1;
  while (2 * half < cores) half *= 2;
  return std::max(
      TreeCycles(cores - half, size) + collectives::ChainCycles(2, half, size.length, size.costs()),
      TreeCycles(half, size) + size.length);
}

double FormulaCycles(const CollectiveSize& size) { return TreeCycles(size.columns, size); }

}  // namespace

const Collective kReduceTree = {
    "reduce-tree", "rows to their first core, by a binary tree", 1, Lay, RowSumsAtFirst,
    FormulaCycles};

}  // namespace waferline::fabric
