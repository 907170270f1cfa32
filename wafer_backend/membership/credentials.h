// In whose name a process of the compute plane works: what the greeting of every link carries
// (compute/link/frames.h). A plain value, any thread.
#pragma once

#include <cstdint>
#include <string>

#include "wafer_backend/membership/membership.h"

namespace waferline::membership {

// A driver is a front end's compute plane, the process that owns workers. It shows itself. Workers
// that connect to each other show their driver, since they work in its name. A worker that answers
// its driver shows itself, with the largest fence that it has seen.
struct Credentials {
  std::string cell;          // one driver and its workers
  std::string worker;        // the process's name
  uint64_t incarnation = 0;  // random, another each time the process starts
  Fence fence;
  friend bool operator==(const Credentials&, const Credentials&) = default;
};

}  // namespace waferline::membership
