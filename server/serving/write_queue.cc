#include "server/serving/write_queue.h"

#include <utility>

namespace waferline::serving {

void WriteQueue::Notify(std::shared_ptr<QueuedWriter> writer) {
  {
    MutexLock lock(&mutex_);
    waiting_.push_back(std::move(writer));
    if (waiting_.size() > 1) return;  // a Drain is on its way
  }
  wake_();
}

void WriteQueue::Drain() {
  std::vector<std::shared_ptr<QueuedWriter>> ready;
  {
    MutexLock lock(&mutex_);
    ready.swap(waiting_);
  }
  for (const std::shared_ptr<QueuedWriter>& writer : ready) writer->OnNotified();
}

}  // namespace waferline::serving
