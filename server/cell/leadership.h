// Whether this front end drives its cell, as its registry has it:
//
//   standing by -> (a snapshot names it as the leader) leading with an epoch
//   leading -> (a snapshot names another one with a larger epoch) outranked
//
// A registry that is silent, or that has no leader, changes nothing: who leads goes on leading, and
// the workers' fences decide. The epoch may grow while leading, when the registry had lost it.
//
// Owner: server/app; the registry outlives it. Thread: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

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
  // To be called when what was led has ended: stands by again.
  void StandBy();
  // Who leads, as far as is known; "" if no front end does.
  std::string LeaderHttp() const;

 private:
  enum class State : uint8_t { kStandby, kLeading, kOutranked };
  void OnSnapshot(const membership::Snapshot& snapshot);

  membership::Registry* const registry_;
  const std::string cell_;
  const std::string id_;
  std::atomic<State> state_{State::kStandby};
  std::atomic<uint64_t> epoch_{0};
};

}  // namespace waferline::cell
