// Simulated disks behind SQLite's file interface (sqlite.org/vfs.html); for the .cc files of this
// folder only.
#pragma once

#include <string>

#include "server/store/simulated/disk.h"

namespace waferline::store {

// A prefix of file names that leads to a disk, as one process sees it. The calling thread's.
class DiskPath {
 public:
  DiskPath(SimulatedDisk* disk, simulated::Process* process);
  ~DiskPath();
  DiskPath(const DiskPath&) = delete;
  DiskPath& operator=(const DiskPath&) = delete;
  std::string Of(const std::string& file) const { return prefix_ + file; }

 private:
  const std::string prefix_;
};

}  // namespace waferline::store
