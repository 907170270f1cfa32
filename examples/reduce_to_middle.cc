// A collective on the wafer's fabric: every row is summed at its middle core, by a chain from
// either end. The simulator runs it cycle by cycle, checks the numbers, and is compared with a
// closed formula and with the built-in chain to a row's first core.
//
// A collective is four functions: lay routes and programs on a fabric, check the result, a formula
// in cycles, and how much memory a core needs. To build one in, so that `waferctl wafer fabric`
// lists it: a file like this in wafer_backend/hardware/fabric and its name in collective.cc.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "wafer_backend/hardware/fabric/collective.h"
#include "wafer_backend/hardware/fabric/line.h"

using namespace waferline;
using fabric::CollectiveSize;
using fabric::Fabric;

namespace {

int Middle(const CollectiveSize& size) { return size.columns / 2; }

// Two chains a row meet at the middle core, which adds one sum after the other. A chain takes two
// colours.
void Lay(const CollectiveSize& size, Fabric* mesh) {
  const int middle = Middle(size);
  fabric::Programs programs(static_cast<size_t>(size.tiles()));
  for (int row = 0; row < size.rows(); ++row) {
    const fabric::Line line{mesh, /*along_row=*/true, row, size.columns};
    fabric::AddChain(line,
                     {.first = middle, .last = 0, .stride = -1, .colour = 0, .length = size.length},
                     &programs);
    fabric::AddChain(line,
                     {.first = middle,
                      .last = size.columns - 1,
                      .stride = 1,
                      .colour = 2,
                      .length = size.length},
                     &programs);
  }
  fabric::SetPrograms(std::move(programs), mesh);
}

bool MiddleHoldsTheRowsSum(const CollectiveSize& size, const Fabric& mesh) {
  for (int row = 0; row < size.rows(); ++row) {
    for (int i = 0; i < size.length; ++i) {
      uint32_t sum = 0;
      for (int column = 0; column < size.columns; ++column)
        sum += fabric::InitialWord(column, row, i);
      if (mesh.memory(mesh.Tile(Middle(size), row))[static_cast<size_t>(i)] != sum) return false;
    }
  }
  return true;
}

// The longer chain, and the middle core's second vector.
double FormulaCycles(const CollectiveSize& size) {
  const int cores = std::max(Middle(size) + 1, size.columns - Middle(size));
  return collectives::ChainCycles(cores, 1, size.length, size.costs()) + size.length;
}

constexpr fabric::Collective kReduceToMiddle = {
    "reduce-to-middle",
    "rows to their middle core, by a chain from either end",
    1,
    Lay,
    MiddleHoldsTheRowsSum,
    FormulaCycles};

}  // namespace

int main() {
  const auto chain = fabric::FindCollective("reduce-chain");
  for (const CollectiveSize size :
       {CollectiveSize{33, 4}, CollectiveSize{64, 16}, CollectiveSize{65, 64}}) {
    const auto ours = fabric::RunCollective(kReduceToMiddle, size);
    const auto theirs = fabric::RunCollective(**chain, size);
    if (!ours.ok() || !theirs.ok()) {
      std::fprintf(stderr, "%s\n",
                   std::string((ours.ok() ? theirs : ours).status().message()).c_str());
      return 1;
    }
    const auto cycles = static_cast<double>(ours->result.cycles);
    std::printf(
        "%d cores a row, %d wavelets: %.0f cycles (formula %.0f), the chain to the first core "
        "%.0f, sums are %s\n",
        size.columns, size.length, cycles, ours->formula_cycles,
        static_cast<double>(theirs->result.cycles), ours->holds ? "right" : "wrong");
    if (!ours->holds || cycles >= static_cast<double>(theirs->result.cycles)) return 1;
    if (std::abs(ours->formula_cycles / cycles - 1) > 0.05) return 1;
  }
  return 0;
}
