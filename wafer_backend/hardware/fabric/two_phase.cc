#include "wafer_backend/hardware/fabric/two_phase.h"

#include <algorithm>

#include "wafer_backend/hardware/fabric/patterns.h"
#include "wafer_backend/hardware/fabric/row_sum.h"

namespace waferline::fabric {

void AddTwoPhase(const Line& line, int colour, int length, Programs* programs) {
  const int group = collectives::GroupOf(line.n);
  int last_first = 0;
  for (int first = 0; first < line.n; first += group) {
    AddChain(line, {first, std::min(first + group, line.n) - 1, 1, colour, length}, programs);
    last_first = first;
  }
  AddChain(line, {0, last_first, group, colour + 2, length}, programs);
}

namespace {

void Lay(const CollectiveSize& size, Fabric* fabric) {
  Programs programs(static_cast<size_t>(size.tiles()));
  for (int row = 0; row < size.rows(); ++row) {
    AddTwoPhase({fabric, true, row, size.columns}, 0, size.length, &programs);
  }
  SetPrograms(std::move(programs), fabric);
}

double FormulaCycles(const CollectiveSize& size) {
  return collectives::TwoPhaseCycles(size.columns, size.length, size.costs());
}

}  // namespace

const Collective kReduceTwoPhase = {
    "reduce-two-phase",
    "rows to their first core, in groups of the square root (K-tree, K=2)",
    1,
    Lay,
    RowSumsAtFirst,
    FormulaCycles};

}  // namespace waferline::fabric
