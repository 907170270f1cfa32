#include "server/rpc/write_pump.h"

#include <utility>

namespace waferline::rpc {

WritePump::WritePump() : thread_([this] { Run(); }) {}

void WritePump::Poke(std::shared_ptr<Pumped> stream) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(stream));
}

void WritePump::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void WritePump::Run() {
  while (true) {
    std::deque<std::shared_ptr<Pumped>> ready;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &WritePump::Awake));
      if (queue_.empty()) return;
      ready = std::exchange(queue_, {});
    }
    for (const std::shared_ptr<Pumped>& stream : ready) stream->OnPump();
  }
}

}  // namespace waferline::rpc
