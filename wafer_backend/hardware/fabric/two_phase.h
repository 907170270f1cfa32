// The K-tree with K = 2 (WaferLLM, OSDI'25; the two-phase reduce of HPDC'24): chains within groups
// of about the square root of the line, then one chain over the groups' first cores.
#pragma once

#include "wafer_backend/hardware/fabric/line.h"

namespace waferline::fabric {

int GroupOf(int cores);  // size of a group: the square root, rounded up

// Colours `colour` to `colour + 3`.
void AddTwoPhase(const Line& line, int colour, int length, Programs* programs);
double TwoPhaseCycles(int cores, int length, int ramp_cycles);

}  // namespace waferline::fabric
