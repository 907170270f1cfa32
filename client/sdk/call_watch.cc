#include "client/sdk/call_watch.h"

#include <utility>
#include <vector>

namespace waferline::sdk {
namespace {
constexpr Nanoseconds kBetweenLooks = Milliseconds(100);
}  // namespace

CallWatch::~CallWatch() {
  {
    MutexLock lock(&mutex_);
    changed_.Wait(&mutex_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return calls_.empty() && leaving_ == 0;
    });
    stop_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void CallWatch::Add(std::shared_ptr<WatchedCall> call) {
  MutexLock lock(&mutex_);
  WatchedCall* const key = call.get();
  calls_[key].call = std::move(call);
  if (calls_.size() == 1) changed_.NotifyAll();
}

void CallWatch::Remove(WatchedCall* call) {
  std::shared_ptr<WatchedCall> last;
  {
    MutexLock lock(&mutex_);
    last = std::move(calls_[call].call);
    calls_.erase(call);
    ++leaving_;
  }
  last.reset();  // without the lock, and before the destructor returns
  MutexLock lock(&mutex_);
  --leaving_;
  changed_.NotifyAll();  // under the lock: the destructor may be waiting
}

void CallWatch::Look() {
  while (true) {
    std::vector<std::shared_ptr<WatchedCall>> silent;  // ended without the lock
    {
      MutexLock lock(&mutex_);
      changed_.Wait(&mutex_,
                    [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_ || !calls_.empty(); });
      if (stop_) return;
      changed_.WaitFor(&mutex_, kBetweenLooks,
                       [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_; });
      const auto now = std::chrono::steady_clock::now();
      for (auto& [key, entry] : calls_) {
        if (entry.ended || now < entry.call->silent_at()) continue;
        entry.ended = true;
        silent.push_back(entry.call);
      }
    }
    for (const auto& call : silent) call->EndAsSilent();
  }
}

}  // namespace waferline::sdk
