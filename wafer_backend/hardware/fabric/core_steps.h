// Where each core of a mesh stands in its program. Cores are named by their block and their place
// in it, 0 to 63. Internal to this folder.
#pragma once

#include <cstdint>

#include "wafer_backend/hardware/fabric/mesh.h"

namespace waferline::fabric {

// Every core at its program's begin; returns how many have one.
int64_t StartCores(Mesh* mesh);

// A core's current step is done; false if that was its last. `begins`: the cycle of the next one.
bool NextStep(Mesh* mesh, Block* block, uint32_t at, int32_t begins);

}  // namespace waferline::fabric
