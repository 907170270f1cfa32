// One row of a mesh for one cycle: its routers move what is ready if there is room where it leads,
// and then its cores act. Internal to this folder.
//
// A row's cycle reads and writes the rows next to it: it must follow their last one, and must not
// run at the same time as any of theirs.
#pragma once

#include <cstdint>

#include "wafer_backend/hardware/fabric/mesh.h"

namespace waferline::fabric {

inline constexpr int32_t kNever = INT32_MAX;

// What happened in one cycle.
struct Tally {
  int64_t moved = 0;  // wavelets by routers, and cores that acted
  int64_t hops = 0, sent = 0, taken = 0;
  int64_t finished = 0;         // cores that came to their program's end
  int32_t next_ready = kNever;  // the earliest cycle at which something waiting will be ready

  void Add(const Tally& other);
};

struct StepTime {
  uint32_t step = 1;  // rises by one each time
  int32_t now = 0;    // the cycle: rises by one or, when nothing moved anywhere, by more
};

void StepRow(Mesh* mesh, int row, StepTime time, Tally* tally);

}  // namespace waferline::fabric
