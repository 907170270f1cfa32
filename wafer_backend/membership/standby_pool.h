// Shards that may take the place of one that stays lost: what a registry or a configuration offers,
// less what the chain has. Between who knows the members (a cell, a configuration) and the compute
// plane that drives the chain.
//
// Owner: shared by both. Thread: any. Bounds: kMaxWorkers endpoints.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::membership {

class StandbyPool {
 public:
  // host:port of workers that may be used from now on, in place of those offered before. Workers of
  // the chain may be among them.
  void Offer(std::vector<std::string> endpoints);
  // What the chain has from now on.
  void SetChain(std::vector<std::string> endpoints);
  std::vector<std::string> chain() const;
  // One that is offered and not in the chain; another one at each call, as long as there are
  // others.
  std::optional<std::string> Take();
  bool empty() const;  // nothing to take

 private:
  mutable Mutex mutex_;
  std::vector<std::string> offered_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> chain_ ABSL_GUARDED_BY(mutex_);
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace waferline::membership
