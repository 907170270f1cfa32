// One core's vector to the whole grid: along its row, then down every column.
#include "wafer_backend/hardware/fabric/line.h"
#include "wafer_backend/hardware/fabric/patterns.h"

namespace waferline::fabric {
namespace {

void Lay(const CollectiveSize& size, Fabric* fabric) {
  Programs programs(static_cast<size_t>(size.side * size.side));
  AddBroadcast({fabric, true, 0, size.side}, 0, size.length, &programs);
  for (int c = 0; c < size.side; ++c) {
    AddBroadcast({fabric, false, c, size.side}, 1, size.length, &programs);
  }
  SetPrograms(std::move(programs), fabric);
}

bool Holds(const CollectiveSize& size, const Fabric& fabric) {
  for (int tile = 0; tile < size.side * size.side; ++tile) {
    for (int i = 0; i < size.length; ++i) {
      if (fabric.memory(tile)[static_cast<size_t>(i)] != InitialWord(0, 0, i)) return false;
    }
  }
  return true;
}

double FormulaCycles(const CollectiveSize& size) {
  return 2 * collectives::BroadcastCycles(size.side, size.length, size.costs());
}

}  // namespace

const Collective kBroadcast = {
    "broadcast", "core (0,0) to all: its row, then every column", 1, Lay, Holds, FormulaCycles};

}  // namespace waferline::fabric
