// A machine for the processes of a whole cloud, on the calling thread and in virtual time: their
// threads are fibers, their clock moves when no fiber can go on, and which of several ready ones
// goes on is drawn from the seed. The same seed gives the same run, to the last bit.
//
// Computing takes no time of itself; a process that looks at its network without waiting is charged
// some microseconds. A process may be paused (as by SIGSTOP) and killed. A killed one is cut from
// the network and from what others share with it (OnKill) at that instant; its fibers then run to
// their end, which no other process can notice.
//
// Owner: one run. Thread: one. Bounds: Run gives up after kMaxTurns turns of fibers.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/link/network.h"
#include "wafer_backend/simulated/fiber.h"

namespace waferline::simulated {

class Net;

// A place on the network; a process runs there, and after its end perhaps another one.
using Node = uint32_t;

struct Process {
  std::string name;
  Node node = 0;
  Nanoseconds paused_until;
  bool dead = false;
  bool over = false;              // its main function has returned
  std::atomic<bool> stop{false};  // for its main function, as by SIGTERM
  uint64_t threads = 0;           // that have not ended
};

class World : public link::NetworkedMachine {
 public:
  static constexpr uint64_t kMaxTurns = 4'000'000;

  explicit World(uint64_t seed);
  ~World() override;  // after all processes are over

  // Machine, for the code of processes.
  Nanoseconds Now() const override { return now_; }
  void Wait(const void* what, Nanoseconds until) override;
  void Notify(const void* what) override;
  uint64_t Start(std::function<void()> run) override;
  void Join(uint64_t thread) override;
  std::unique_ptr<link::Network> MakeNetwork() override;

  Node AddNode(const std::string& name);
  Net& net() { return *net_; }
  // `main` is the process's first thread.
  Process* StartProcess(Node node, std::function<void(Process&)> main);
  void Kill(Process* process);
  void Pause(Process* process, Nanoseconds time);
  void OnKill(std::function<void(Process&)> call) { on_kill_.push_back(std::move(call)); }
  Process* current() const { return running_ == nullptr ? nullptr : running_->process; }

  // `action` runs between two turns, and must not wait.
  void At(Nanoseconds when, std::function<void()> action);
  void After(Nanoseconds time, std::function<void()> action) { At(now_ + time, std::move(action)); }
  // Until `done`, looked at after each event. False: `until` came first, or too many turns.
  bool Run(Nanoseconds until, const std::function<bool()>& done);

  // Draws in the order of the run.
  uint64_t Draw(uint64_t below) { return below == 0 ? 0 : draws_.Next() % below; }
  bool OneIn(uint64_t n) { return Draw(n) == 0; }
  Nanoseconds DrawTime(Nanoseconds from, Nanoseconds to);

  uint64_t turns() const { return turns_; }
  size_t threads() const { return threads_.size(); }
  // Makes the calling thread an ordinary one again; for a run that failed and is leaked.
  void Abandon() { SetForThisThread(nullptr); }
  // A digest of everything that happened: which thread ran on at which instant.
  uint64_t digest() const { return digest_; }

 private:
  struct SimThread {
    SimThread(uint64_t its_number, Process* its_process, std::function<void()> run)
        : number(its_number), process(its_process), fiber(std::move(run)) {}
    const uint64_t number;
    Process* const process;
    Fiber fiber;
    const void* waits_for = nullptr;
    uint64_t wait = 0;  // counts them: timers of earlier ones are stale
  };
  struct Event {
    Nanoseconds at;
    uint64_t order;
    size_t action = 0;    // its place in actions_; or 0, and
    uint64_t thread = 0;  // whose wait ends
    uint64_t wait = 0;
    bool operator<(const Event& o) const {  // for a heap with the first on top
      return at != o.at ? at > o.at : order > o.order;
    }
  };
  uint64_t Spawn(Process* process, std::function<void()> run);
  void Push(Event event);
  void MakeReady(SimThread* thread);
  SimThread* PickReady();
  void Turn(SimThread* thread);
  bool NextEvent(Nanoseconds until);

  SeededStream draws_;
  Nanoseconds now_;
  uint64_t order_ = 0;
  uint64_t turns_ = 0;
  uint64_t digest_ = 0;
  std::vector<Event> events_;                       // a heap
  std::vector<std::function<void()>> actions_{{}};  // of events; the first place is none's
  std::vector<size_t> free_actions_;
  std::deque<Process> processes_;
  std::vector<std::function<void(Process&)>> on_kill_;
  std::map<uint64_t, std::unique_ptr<SimThread>> threads_;  // by number
  uint64_t last_thread_ = 0;
  std::vector<SimThread*> ready_;
  SimThread* running_ = nullptr;
  std::unique_ptr<Net> net_;
};

}  // namespace waferline::simulated
