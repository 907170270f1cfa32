// One simulated cloud: its nodes and the processes on them, which are the product's own code
// (RunShardServer, RunPrefillServer, FrontEnd), and what is counted of a run. Its faults are
// trouble.h, what its clients do client.h, what must hold laws.h.
//
// Owner: RunCloud. Thread: the world's.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/simulated/asks.h"
#include "server/simulated/fixtures.h"
#include "server/simulated/front_end.h"
#include "server/simulated/run_options.h"
#include "server/store/simulated/disk.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/simulated/net.h"
#include "wafer_backend/simulated/world.h"

namespace waferline::simulated {

struct Figures {
  std::array<uint64_t, kFaultNames.size()> faults{};
  uint64_t frame_faults = 0;
  uint64_t requests = 0;
  uint64_t complete = 0;   // in full
  uint64_t failed = 0;     // with a named error
  uint64_t refused = 0;    // the same, before anything was computed
  uint64_t cancelled = 0;  // by the client
  uint64_t lost = 0;       // the front end died
  uint64_t tokens = 0;     // that clients got and compared
  uint64_t recoveries = 0;
  uint64_t turns = 0;
  uint64_t records = 0;      // of usage, posted
  uint64_t interrupted = 0;  // and not charged
  NetFigures net;
  store::DiskFigures disk;
  Nanoseconds virtual_time;
  std::map<std::string, uint64_t> errors;  // by what they begin with
  void Add(const Figures& other);
  void AddDisk(const store::DiskFigures& other);
};

// How an answer ended, for its client.
enum class Ending : uint8_t { kNone, kComplete, kCancelled, kFailed, kRefused, kLost, kNoServer };

struct Asked;

class Cloud {
 public:
  // A place where a worker runs, again and again.
  struct Worker {
    Node node = 0;
    std::function<void(Process&)> main;
    Process* process = nullptr;
  };
  // A place where a front end runs.
  struct Front {
    Node node = 0;
    Process* process = nullptr;  // null: none was started yet
    uint64_t epoch = 0;          // 0: there is no election
    FrontEnd* serving = nullptr;
    int calls = 0;  // that hold a session of it
    CondVar changed;
    std::unique_ptr<store::SimulatedDisk> disk;
    store::Durability durability = store::Durability::kProcess;
  };

  Cloud(World* world, const RunOptions& options, const Fixtures& fixtures);

  World& world() { return *world_; }
  const RunOptions& options() const { return options_; }
  const Texts& texts() const { return fixtures_.texts; }
  const Instants& instants() const { return fixtures_.instants; }
  // By the run without faults.
  Texts& recorded() { return recorded_; }
  Instants& recorded_instants() { return recorded_instants_; }
  std::vector<Worker>& workers() { return workers_; }
  std::deque<Front>& fronts() { return fronts_; }

  void StartWorker(Worker* worker);
  void StartFront(Front* front);
  // As by SIGTERM: it ends what it has and stops.
  void StopFront(Front* front);
  // Its process is alive and is not about to stop.
  static bool Alive(const Process* process) {
    return process != nullptr && !process->dead && !process->over && !process->stop;
  }
  // The front end that was started last, if it lives.
  Front* leader() { return Alive(leader_->process) ? leader_ : nullptr; }
  // Another front end, with a later epoch where there is an election.
  Front* Follower();

  // It was killed, or its database took not all when it was stopped: which answers were sent may
  // not be marked, and the next server credits those.
  bool MayLackMarks(const Process& server) const;

  // Clients that may leave cancel what they have asked.
  void SendClientsAway();
  uint64_t departures() const { return departures_; }  // how often they were sent away

  // A law is broken: the run ends. The first one counts.
  void Fail(const std::string& what);
  const std::string& failure() const { return failure_; }
  Figures& figures() { return figures_; }
  std::deque<Asked>& asked() { return asked_; }
  Mutex& mutex() { return mutex_; }  // of what clients and sinks share

 private:
  void AddShards();
  void AddPrefill();
  void RunFront(Front* front, Process& process);
  FrontEnd::Options OptionsOf(const Front& front);

  World* const world_;
  const RunOptions options_;
  const Fixtures& fixtures_;
  Texts recorded_;
  Instants recorded_instants_;
  uint64_t fingerprint_ = 0;
  bool election_ = false;
  std::vector<std::string> shard_endpoints_, prefill_endpoints_;
  std::vector<Worker> workers_;
  std::deque<Front> fronts_;
  Front* leader_ = nullptr;
  uint64_t epochs_ = 0;
  uint64_t incarnations_ = 0;
  uint64_t departures_ = 0;
  std::set<const Process*> unsettled_;
  int64_t max_batch_ = 8;
  Mutex mutex_;
  std::string failure_;
  std::deque<Asked> asked_;
  Figures figures_;
};

// What a client asked of a front end, and what it got. By request.
struct Asked {
  std::string id;
  const Cloud::Front* front = nullptr;
  const Process* server = nullptr;
  Ending ending = Ending::kNone;
  int64_t prompt = 0;
  int64_t tokens = 0;
};

}  // namespace waferline::simulated
