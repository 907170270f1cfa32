// Sums over the whole grid, known to every core: rows, then columns, each a reduce and the sum's
// way back, by multicast after a K-tree and core by core after a chain.
#include "wafer_backend/hardware/fabric/line.h"
#include "wafer_backend/hardware/fabric/patterns.h"
#include "wafer_backend/hardware/fabric/row_sum.h"
#include "wafer_backend/hardware/fabric/two_phase.h"

namespace waferline::fabric {
namespace {

// On one line, with five colours.
using AddAllreduce = void (*)(const Line& line, int colour, int length, Programs* programs);

void AddByChains(const Line& line, int colour, int length, Programs* programs) {
  AddChain(line, {0, line.n - 1, 1, colour, length}, programs);
  AddRelay(line, colour + 2, length, programs);
}

void AddByTrees(const Line& line, int colour, int length, Programs* programs) {
  AddTwoPhase(line, colour, length, programs);
  AddBroadcast(line, colour + 4, length, programs);
}

void Lay(const CollectiveSize& size, AddAllreduce add, Fabric* fabric) {
  Programs programs(static_cast<size_t>(size.tiles()));
  for (const bool along_row : {true, false}) {
    const int colour = along_row ? 0 : 5;
    const int lines = along_row ? size.rows() : size.columns;
    const int cores = along_row ? size.columns : size.rows();
    for (int at = 0; at < lines; ++at) {
      add({fabric, along_row, at, cores}, colour, size.length, &programs);
    }
  }
  SetPrograms(std::move(programs), fabric);
}

void LayChain(const CollectiveSize& size, Fabric* fabric) { Lay(size, AddByChains, fabric); }
void LayTwoPhase(const CollectiveSize& size, Fabric* fabric) { Lay(size, AddByTrees, fabric); }

double ChainFormula(const CollectiveSize& size) {
  return collectives::ChainAllreduceCycles(size.columns, size.length, size.costs()) +
         collectives::ChainAllreduceCycles(size.rows(), size.length, size.costs());
}

double TwoPhaseFormula(const CollectiveSize& size) {
  return collectives::TreeAllreduceCycles(size.columns, size.length, size.costs()) +
         collectives::TreeAllreduceCycles(size.rows(), size.length, size.costs());
}

// The product's part of y = x W: a quarter cycle a MAC over a tile of length x length, then the
// partial sums of every column reduced and spread.
int TileCompute(const CollectiveSize& size) { return (size.length * size.length + 3) / 4; }

void LayGemv(const CollectiveSize& size, AddAllreduce add, Fabric* fabric) {
  Programs programs(static_cast<size_t>(size.tiles()));
  for (Program& program : programs) {
    program.steps.push_back({{Operation::Kind::kCompute, 0, 0, 0, TileCompute(size)}});
  }
  for (int column = 0; column < size.columns; ++column) {
    add({fabric, false, column, size.rows()}, 0, size.length, &programs);
  }
  SetPrograms(std::move(programs), fabric);
}

void LayGemvTwoPhase(const CollectiveSize& size, Fabric* fabric) {
  LayGemv(size, AddByTrees, fabric);
}
void LayGemvChain(const CollectiveSize& size, Fabric* fabric) {
  LayGemv(size, AddByChains, fabric);
}

bool GemvHolds(const CollectiveSize& size, const Fabric& fabric) {
  for (int column = 0; column < size.columns; ++column) {
    for (int i = 0; i < size.length; ++i) {
      uint32_t sum = 0;
      for (int row = 0; row < size.rows(); ++row) sum += InitialWord(column, row, i);
      for (int row = 0; row < size.rows(); ++row) {
        if (fabric.memory(fabric.Tile(column, row))[static_cast<size_t>(i)] != sum) return false;
      }
    }
  }
  return true;
}

double GemvTwoPhaseFormula(const CollectiveSize& size) {
  return TileCompute(size) +
         collectives::TreeAllreduceCycles(size.rows(), size.length, size.costs());
}

double GemvChainFormula(const CollectiveSize& size) {
  return TileCompute(size) +
         collectives::ChainAllreduceCycles(size.rows(), size.length, size.costs());
}

}  // namespace

const Collective kAllreduceChain = {"allreduce-chain",
                                    "sum over the grid to every core, by chains",
                                    1,
                                    LayChain,
                                    GridSumsEverywhere,
                                    ChainFormula};
const Collective kAllreduceTwoPhase = {"allreduce-two-phase",
                                       "sum over the grid to every core, by K-trees (K=2)",
                                       1,
                                       LayTwoPhase,
                                       GridSumsEverywhere,
                                       TwoPhaseFormula};
const Collective kGemvTwoPhase = {"gemv-two-phase",
                                  "a GEMV on tiles of length x length, columns summed by K-trees",
                                  1,
                                  LayGemvTwoPhase,
                                  GemvHolds,
                                  GemvTwoPhaseFormula};
const Collective kGemvChain = {"gemv-chain",
                               "a GEMV on tiles of length x length, columns summed by chains",
                               1,
                               LayGemvChain,
                               GemvHolds,
                               GemvChainFormula};

}  // namespace waferline::fabric
