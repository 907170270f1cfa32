// Every row to its first core, one core handing its sum to the next.
#include "wafer_backend/hardware/fabric/line.h"
#include "wafer_backend/hardware/fabric/patterns.h"
#include "wafer_backend/hardware/fabric/row_sum.h"

namespace waferline::fabric {
namespace {

void Lay(const CollectiveSize& size, Fabric* fabric) {
  Programs programs(static_cast<size_t>(size.tiles()));
  for (int row = 0; row < size.rows(); ++row) {
    AddChain({fabric, true, row, size.columns}, {0, size.columns - 1, 1, 0, size.length},
             &programs);
  }
  SetPrograms(std::move(programs), fabric);
}

double FormulaCycles(const CollectiveSize& size) {
  return collectives::ChainCycles(size.columns, 1, size.length, size.costs());
}

}  // namespace

const Collective kReduceChain = {
    "reduce-chain", "rows to their first core, core by core", 1, Lay, RowSumsAtFirst,
    FormulaCycles};

}  // namespace waferline::fabric
