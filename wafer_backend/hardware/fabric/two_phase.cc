#include "wafer_backend/hardware/fabric/two_phase.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/hardware/fabric/patterns.h"
#include "wafer_backend/hardware/fabric/row_sum.h"

namespace waferline::fabric {

int GroupOf(int cores) { return static_cast<int>(std::ceil(std::sqrt(cores))); }

void AddTwoPhase(const Line& line, int colour, int length, Programs* programs) {
  const int group = GroupOf(line.n);
  int last_first = 0;
  for (int first = 0; first < line.n; first += group) {
    AddChain(line, {first, std::min(first + group, line.n) - 1, 1, colour, length}, programs);
    last_first = first;
  }
  AddChain(line, {0, last_first, group, colour + 2, length}, programs);
}

double TwoPhaseCycles(int cores, int length, int ramp_cycles) {
  const int group = GroupOf(cores);
  const int groups = (cores + group - 1) / group;
  const int last = cores - (groups - 1) * group;  // the last group may be smaller
  const auto after = [&](int size, int index) {
    return (size > 1 ? ChainCycles(size, 1, length, ramp_cycles) : 0) +
           (index > 0 ? ChainCycles(index + 1, group, length, ramp_cycles) : 0);
  };
  // A group's first core takes part in both chains, one after the other. The second chain starts
  // when the last group is done, but cannot pass a group that is not.
  return groups > 1 ? std::max(after(last, groups - 1), after(group, groups - 2)) : after(last, 0);
}

namespace {

void Lay(const CollectiveSize& size, Fabric* fabric) {
  Programs programs(static_cast<size_t>(size.side * size.side));
  for (int row = 0; row < size.side; ++row) {
    AddTwoPhase({fabric, true, row, size.side}, 0, size.length, &programs);
  }
  SetPrograms(std::move(programs), fabric);
}

double FormulaCycles(const CollectiveSize& size) {
  return TwoPhaseCycles(size.side, size.length, size.ramp_cycles);
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
