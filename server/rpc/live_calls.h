// The calls whose requests are in flight, so that the server's shutdown can reach them.
// Owner: RpcServer. Any thread. Lock order: this one's before a call's own.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_set>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::rpc {

class LiveCall;

class LiveCalls {
 public:
  // After DisconnectAll a new call is disconnected at once.
  void Add(LiveCall* call);
  void Remove(LiveCall* call);

  // Cancels the tenant's requests with this id, or all of them, and gives their number.
  size_t Abort(const std::optional<std::string>& request_id, const std::string& tenant);

  // Disconnects every call.
  void DisconnectAll();

  size_t size() const;

 private:
  mutable Mutex mutex_;
  std::unordered_set<LiveCall*> calls_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace waferline::rpc
