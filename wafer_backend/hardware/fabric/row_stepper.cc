#include "wafer_backend/hardware/fabric/row_stepper.h"

#include <bit>
#include <utility>

#include "wafer_backend/hardware/fabric/cores.h"
#include "wafer_backend/hardware/fabric/routers.h"

namespace waferline::fabric {

void StepRow(Mesh* mesh, int row, StepTime time, Tally* tally) {
  uint32_t blocks = std::exchange(mesh->active[time.step % 2][static_cast<size_t>(row)], 0);
  for (; blocks != 0; blocks &= blocks - 1) {
    Block* const block = &mesh->blocks[static_cast<size_t>(row * mesh->row_blocks) +
                                       static_cast<size_t>(std::countr_zero(blocks))];
    uint32_t lanes = StepRouters(mesh, block, time, tally);
    const bool works = StepCores(mesh, block, time, &lanes, tally);
    if (works || lanes != 0) mesh->Wake(*block, lanes, time.step + 1);
  }
}

}  // namespace waferline::fabric
