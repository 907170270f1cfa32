// Whether this front end drives its cell, as its registry has it:
//
//   standing by -> (a snapshot names it as the leader) leading with an epoch
//   leading -> (a snapshot names another one with a larger epoch) outranked
//
// A registry that is silent, or that has no leader, changes nothing: who leads goes on leading, and
// the workers' fences decide. The epoch may grow while leading, when the registry had lost it.
//
// A registry that was restored from a backup elects with epochs that were there before. Such an
// epoch does not count: this front end asks for a larger one (Leader::above) until it has it.
//
// Owner: server/app; the registry outlives it. Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/membership/registry.h"

namespace waferline::cell {

class Leadership {
 public:
  // Stands for the leadership at once. Leadership is the only one that watches the registry.
  Leadership(membership::Registry* registry, std::string cell, const membership::Leader& self);
  ~Leadership();  // withdraws
  Leadership(const Leadership&) = delete;
  Leadership& operator=(const Leadership&) = delete;

  const std::string& cell() const { return cell_; }
  bool leading() const { return state_ == State::kLeading; }
  // Another front end leads, with a larger epoch than this one had.
  bool outranked() const { return state_ == State::kOutranked; }
  uint64_t epoch() const { return epoch_; }  // of the last leadership here; 0: none yet
  // Asks for an epoch above this one, which a worker has seen; any thread.
  void RaiseAbove(uint64_t epoch);
  // To be called when what was led has ended: stands by again.
  void StandBy();
  // Who leads, as far as is known; "" if no front end does.
  std::string LeaderHttp() const;

 private:
  enum class State : uint8_t { kStandby, kLeading, kOutranked };
  void OnSnapshot(const membership::Snapshot& snapshot);
  // Remembers the largest epoch. False: this one is smaller, or the same of another front end.
  bool Largest(const membership::Leader& leader);

  membership::Registry* const registry_;
  const std::string cell_;
  Mutex mutex_;
  membership::Leader self_ ABSL_GUARDED_BY(mutex_);
  // The largest epoch that was seen, and whose it is.
  uint64_t largest_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string largest_of_ ABSL_GUARDED_BY(mutex_);
  std::atomic<State> state_{State::kStandby};
  std::atomic<uint64_t> epoch_{0};
};

}  // namespace waferline::cell
