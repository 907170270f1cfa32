#include "wafer_backend/hardware/collectives/formulas.h"

#include <algorithm>
#include <cmath>

namespace waferline::collectives {

double ChainCycles(int cores, int stride, double length, const Costs& costs) {
  return length + (cores - 1) * (stride * costs.hop + costs.hand_over());
}

double BroadcastCycles(int cores, double length, const Costs& costs) {
  return length + (cores - 1) * costs.hop + 2 * costs.ramp + 1;
}

int GroupOf(int cores) { return static_cast<int>(std::ceil(std::sqrt(cores))); }

double TwoPhaseCycles(int cores, double length, const Costs& costs) {
  const int group = GroupOf(cores);
  const int groups = (cores + group - 1) / group;
  const int last = cores - (groups - 1) * group;  // the last group may be smaller
  const auto after = [&](int size, int index) {
    return (size > 1 ? ChainCycles(size, 1, length, costs) : 0) +
           (index > 0 ? ChainCycles(index + 1, group, length, costs) : std::max(0.0, length - 1));
  };
  // A group's first core takes part in both chains, one after the other. The second chain starts
  // when the last group is done, but cannot pass a group that is not; the first core of all takes
  // it after its own group's.
  if (groups == 1) return cores > 1 ? ChainCycles(cores, 1, length, costs) : 0;
  return std::max(after(last, groups - 1), after(group, groups - 2));
}

double TreeAllreduceCycles(int cores, double length, const Costs& costs) {
  return TwoPhaseCycles(cores, length, costs) + BroadcastCycles(cores, length, costs);
}

double ChainAllreduceCycles(int cores, double length, const Costs& costs) {
  Costs back = costs;
  back.software = 0;  // nothing is added
  return ChainCycles(cores, 1, length, costs) + ChainCycles(cores, 1, length, back);
}

double ShiftStepCycles(double length, const Costs& costs) {
  return length + 2 * costs.hop + 2 * costs.ramp + 1;
}

}  // namespace waferline::collectives
