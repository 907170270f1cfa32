// Shards that may take the place of one that stays lost: what a registry or a configuration offers,
// less what a model's chains have. Between who knows the members (a cell, a configuration) and the
// compute planes that drive the chains.
//
// Owner: shared by them. Thread: any. Bounds: kMaxWorkers endpoints.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::membership {

class StandbyPool {
 public:
  // host:port of workers that may be used from now on, in place of those offered before. Workers of
  // the chains may be among them.
  void Offer(std::vector<std::string> endpoints);
  // What a chain has from now on; chains are numbered from 0.
  void SetChain(size_t chain, std::vector<std::string> endpoints);
  std::vector<std::string> InChains() const;  // of all
  // One that is offered and in no chain; it is in the place `index` of this one from now on.
  // Another one at each call, as long as there are others.
  std::optional<std::string> Replace(size_t chain, size_t index);
  bool empty() const;  // nothing to take

 private:
  bool Free(const std::string& endpoint) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::vector<std::string> offered_ ABSL_GUARDED_BY(mutex_);
  std::map<size_t, std::vector<std::string>> chains_ ABSL_GUARDED_BY(mutex_);
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace waferline::membership
