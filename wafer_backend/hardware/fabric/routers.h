// The routers of a block for one cycle: each moves what is ready if there is room where it leads.
// Internal to this folder.
#pragma once

#include "wafer_backend/hardware/fabric/mesh.h"
#include "wafer_backend/hardware/fabric/tally.h"

namespace waferline::fabric {

// Returns the lanes on which something may still wait or be under way, a bit each.
uint32_t StepRouters(Mesh* mesh, Block* block, StepTime time, Tally* tally);

}  // namespace waferline::fabric
