// A node's disk in a simulated world, as SQLite sees it: files in memory that outlive processes. It
// may be slow, fail for a while, fill up, and lose power: then some of what was written since the
// last sync is gone, not only the latest writes.
//
// SQLite itself runs on it, with its log, its checksums and its recovery. Locks are not kept: as in
// the product one process at a time has the database open for writing (sqlite_store.h), and what a
// dead process holds counts no more.
//
// Owner: one run; it outlives the processes that use it. Thread: the world's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/store.h"
#include "wafer_backend/simulated/world.h"

namespace waferline::store {

struct DiskFigures {
  uint64_t writes = 0;
  uint64_t syncs = 0;
  uint64_t slow_syncs = 0;
  uint64_t errors = 0;  // returned to SQLite
  uint64_t power_losses = 0;
  uint64_t writes_lost = 0;  // by them
};

// What files hold, by name; disks share it.
using DiskImage = std::map<std::string, std::shared_ptr<const std::string>>;

class SimulatedDisk {
 public:
  struct Trouble {
    Nanoseconds slow_until, fails_until, full_until;
    Nanoseconds syncs_fail_until;
    uint64_t error_one_in = 0;  // calls, until fails_until
  };

  // `image`: what is on it at first, all of it synced.
  SimulatedDisk(simulated::World* world, const DiskImage& image);

  DiskImage Image() const;

  Trouble& trouble() { return trouble_; }
  const DiskFigures& figures() const { return figures_; }
  // After a process was killed: its calls fail, and what its connections shared is gone.
  void OnDeath();
  // As the death of the node: each write since its file's last sync is kept or lost, as drawn.
  void LosePower();

  // A store in a file of this disk, brought to the schema's version; one process uses it.
  absl::StatusOr<std::unique_ptr<Store>> OpenStore(simulated::Process* process,
                                                   Durability durability);

 private:
  friend struct DiskAccess;
  struct File;
  struct Write {
    uint64_t at = 0;
    std::string bytes;
    bool truncates = false;  // to `at`
    void ApplyTo(File* file) const;
  };
  struct File {
    std::string bytes;
    // What a loss of power leaves at least: what it held at first, and the writes until the last
    // sync. All of a run are kept; applying them at each sync would cost more.
    std::shared_ptr<const std::string> first = std::make_shared<const std::string>();
    std::vector<Write> writes;
    size_t synced = 0;  // of them
    void Put(uint64_t at, std::string_view what);
    // What the connections of one process share: SQLite's index of its log.
    std::shared_ptr<std::vector<std::unique_ptr<char[]>>> shared;
  };

  simulated::World* const world_;
  Trouble trouble_;
  DiskFigures figures_;
  std::map<std::string, std::shared_ptr<File>> files_;
};

}  // namespace waferline::store
