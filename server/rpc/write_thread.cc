#include "server/rpc/write_thread.h"

#include <utility>

namespace waferline::rpc {

WriteThread::WriteThread()
    : queue_([this] {
        MutexLock lock(&mutex_);
        awake_ = true;
        changed_.NotifyAll();
      }),
      thread_([this] { Run(); }) {}

void WriteThread::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void WriteThread::Run() {
  while (true) {
    {
      MutexLock lock(&mutex_);
      changed_.Wait(&mutex_,
                    [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stopping_ || awake_; });
      if (!std::exchange(awake_, false)) return;
    }
    queue_.Drain();
  }
}

}  // namespace waferline::rpc
