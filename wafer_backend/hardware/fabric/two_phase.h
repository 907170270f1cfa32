// The K-tree with K = 2 on a line; its formula is collectives::TwoPhaseCycles.
#pragma once

#include "wafer_backend/hardware/fabric/line.h"

namespace waferline::fabric {

// Colours `colour` to `colour + 3`.
void AddTwoPhase(const Line& line, int colour, int length, Programs* programs);

}  // namespace waferline::fabric
