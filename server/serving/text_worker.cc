#include "server/serving/text_worker.h"

#include <optional>
#include <utility>

namespace waferline::serving {
namespace {

absl::Status TooMany() {
  return absl::UnavailableError(
      "too many requests with long texts or new grammars are being prepared; try again later");
}

}  // namespace

TextWorker::TextWorker(std::function<Nanoseconds()> monotonic)
    : monotonic_(std::move(monotonic)), thread_([this] { Loop(); }) {}

void TextWorker::Run(Task task) {
  {
    MutexLock lock(&mutex_);
    if (!stopping_ && waiting_.size() < kMaxWaiting) {
      waiting_.push_back({std::move(task), monotonic_()});
      changed_.NotifyAll();
      return;
    }
  }
  task(TooMany());
}

void TextWorker::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void TextWorker::Loop() {
  while (true) {
    std::optional<Waiting> next;
    bool stopping = false;
    {
      MutexLock lock(&mutex_);
      changed_.Wait(&mutex_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return stopping_ || !waiting_.empty();
      });
      if (waiting_.empty()) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
      stopping = stopping_;
    }
    const bool late = monotonic_() - next->since > kMaxWait;
    next->task(stopping || late ? TooMany() : absl::OkStatus());
  }
}

}  // namespace waferline::serving
