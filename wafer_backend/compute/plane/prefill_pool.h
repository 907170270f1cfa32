// The prefill workers of a driver. A job goes to the one with the fewest positions under way; the
// result is the same on each. One that is connected to the shards is enough; the caller submits the
// jobs of a lost one again.
//
// Owner: RemoteBackend; thread: its reactor's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/compute/plane/remote_prefill.h"

namespace waferline::plane {

class PrefillPool {
 public:
  struct Options {
    std::vector<std::string> endpoints;  // host:port, at least one
    uint64_t fingerprint = 0;            // of the model that they must have
    Nanoseconds patience;
    Nanoseconds between_attempts;  // to reach one that is down
  };
  PrefillPool(link::Reactor* reactor, const Options& options);

  // To be called periodically: connects to those that are down, in the name of this driver, and
  // announces the shards to those that are up.
  void KeepUp(const membership::Credentials& driver, const RemoteShards& shards);
  void Watch();
  Nanoseconds silence() const;  // of the one that has been silent for longest
  bool up() const;              // at least one
  bool ready() const;           // at least one is connected to the shards
  // The shards are gone: no hand-off is under way any more.
  void ForgetShards();

  struct Losses {
    absl::Status why;            // how the last one was lost
    bool was_up = false;         // one of them was
    std::vector<uint64_t> jobs;  // that they had
    absl::Status shards;         // none reaches the shards: the chain must be rebuilt
  };
  Losses TakeLosses();
  void Fail(const absl::Status& why);  // all

  // While ready.
  void Submit(prefill::PrefillJob job);
  // Waits for the job's worker to be connected to the shards.
  void HandOff(uint64_t job, uint32_t slot);
  void Cancel(uint64_t job);
  // Appends results and ended hand-offs.
  void TakeResults(BackendEvents* events);
  // FailedPrecondition if one that is up has pages of another size.
  absl::Status CheckPages(uint32_t page_tokens) const;

 private:
  struct Worker {
    std::unique_ptr<RemotePrefill> link;
    Nanoseconds next_attempt;
    size_t positions = 0;                               // of its jobs
    std::vector<std::pair<uint64_t, uint32_t>> moving;  // jobs and slots: not yet sent
  };
  struct Job {
    size_t worker = 0;
    size_t positions = 0;
  };
  void End(uint64_t job);
  void Lose(size_t worker, Losses* losses);

  link::Reactor* const reactor_;
  const Options options_;
  std::vector<Worker> workers_;
  std::unordered_map<uint64_t, Job> jobs_;
};

}  // namespace waferline::plane
