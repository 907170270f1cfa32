#include "server/rpc/live_calls.h"

#include "server/rpc/live_call.h"

namespace waferline::rpc {

void LiveCalls::Add(LiveCall* call) {
  MutexLock lock(&mutex_);
  calls_.insert(call);
  if (closed_) call->Disconnect();
}

void LiveCalls::Remove(LiveCall* call) {
  MutexLock lock(&mutex_);
  calls_.erase(call);
}

size_t LiveCalls::Abort(const std::optional<std::string>& request_id, const std::string& tenant) {
  MutexLock lock(&mutex_);
  size_t aborted = 0;
  for (LiveCall* call : calls_) aborted += call->AbortIf(request_id, tenant) ? 1 : 0;
  return aborted;
}

void LiveCalls::DisconnectAll() {
  MutexLock lock(&mutex_);
  closed_ = true;
  for (LiveCall* call : calls_) call->Disconnect();
}

size_t LiveCalls::size() const {
  MutexLock lock(&mutex_);
  return calls_.size();
}

}  // namespace waferline::rpc
