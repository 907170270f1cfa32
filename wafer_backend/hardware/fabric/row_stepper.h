// One row of a mesh for one cycle: the blocks that have something to do. Internal to this folder.
//
// A row's cycle reads and writes the rows next to it: it must follow their last one, and must not
// run at the same time as any of theirs.
#pragma once

#include "wafer_backend/hardware/fabric/mesh.h"
#include "wafer_backend/hardware/fabric/tally.h"

namespace waferline::fabric {

void StepRow(Mesh* mesh, int row, StepTime time, Tally* tally);

}  // namespace waferline::fabric
