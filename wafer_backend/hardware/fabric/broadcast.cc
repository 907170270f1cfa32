// One core's vector to the whole grid: along its row, then down every column.
#include "wafer_backend/hardware/fabric/line.h"
#include "wafer_backend/hardware/fabric/patterns.h"

namespace waferline::fabric {
namespace {

void Lay(const CollectiveSize& size, Fabric* fabric) {
  Programs programs(static_cast<size_t>(size.tiles()));
  AddBroadcast({fabric, true, 0, size.columns}, 0, size.length, &programs);
  for (int c = 0; c < size.columns; ++c) {
    AddBroadcast({fabric, false, c, size.rows()}, 1, size.length, &programs);
  }
  SetPrograms(std::move(programs), fabric);
}

bool Holds(const CollectiveSize& size, const Fabric& fabric) {
  for (int tile = 0; tile < size.tiles(); ++tile) {
    for (int i = 0; i < size.length; ++i) {
      if (fabric.memory(tile)[static_cast<size_t>(i)] != InitialWord(0, 0, i)) return false;
    }
  }
  return true;
}

double FormulaCycles(const CollectiveSize& size) {
  return collectives::BroadcastCycles(size.columns, size.length, size.costs()) +
         collectives::BroadcastCycles(size.rows(), size.length, size.costs());
}

}  // namespace

const Collective kBroadcast = {
    "broadcast", "core (0,0) to all: its row, then every column", 1, Lay, Holds, FormulaCycles};

}  // namespace waferline::fabric
