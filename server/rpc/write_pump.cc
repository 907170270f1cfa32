#include "server/rpc/write_pump.h"

#include <utility>

namespace waferline::rpc {

WritePump::WritePump() : thread_([this] { Run(); }) {}

void WritePump::Poke(std::shared_ptr<Pumped> stream) {
  MutexLock lock(&mutex_);
  queue_.push_back(std::move(stream));
  if (queue_.size() == 1) awake_.NotifyAll();
}

void WritePump::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    awake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void WritePump::Run() {
  while (true) {
    std::deque<std::shared_ptr<Pumped>> ready;
    {
      MutexLock lock(&mutex_);
      awake_.Wait(&mutex_,
                  [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      ready = std::exchange(queue_, {});
    }
    for (const std::shared_ptr<Pumped>& stream : ready) stream->OnPump();
  }
}

}  // namespace waferline::rpc
