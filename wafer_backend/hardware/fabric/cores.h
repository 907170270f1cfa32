// The cores of a block for one cycle, after its routers. Internal to this folder.
#pragma once

#include "wafer_backend/hardware/fabric/mesh.h"
#include "wafer_backend/hardware/fabric/tally.h"

namespace waferline::fabric {

// True if a core did something or counts cycles. Adds to `lanes` those to which one gave.
bool StepCores(Mesh* mesh, Block* block, StepTime time, uint32_t* lanes, Tally* tally);

}  // namespace waferline::fabric
