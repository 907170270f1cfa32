#include "server/runtime/inbox.h"

namespace waferline::runtime {

Inbox::Push Inbox::PushRequest(Submitted&& item) {
  {
    MutexLock lock(&mutex_);
    if (closed_ || content_.stopping) return Push::kClosed;
    if (content_.requests.size() >= max_requests_) return Push::kFull;
    content_.requests.push_back(std::move(item));
  }
  Wake();
  return Push::kTaken;
}

void Inbox::PushCancel(Ticket ticket) {
  {
    MutexLock lock(&mutex_);
    if (closed_) return;
    content_.cancels.push_back(ticket);
  }
  Wake();
}

void Inbox::PushResume(Ticket ticket) {
  {
    MutexLock lock(&mutex_);
    if (closed_) return;
    content_.resumes.push_back(ticket);
  }
  Wake();
}

bool Inbox::PushCall(Call&& call) {
  {
    MutexLock lock(&mutex_);
    if (closed_ || content_.calls.size() >= max_calls_) return false;
    content_.calls.push_back(std::move(call));
  }
  Wake();
  return true;
}

void Inbox::Drain() {
  {
    MutexLock lock(&mutex_);
    BeginDrain();
  }
  Wake();
}

void Inbox::BeginDrain() {
  if (!std::exchange(content_.draining, true)) content_.before_drain = content_.requests.size();
}

void Inbox::EndDrain() {
  {
    MutexLock lock(&mutex_);
    content_.draining = content_.stopping;
  }
  Wake();
}

void Inbox::Stop() {
  {
    MutexLock lock(&mutex_);
    BeginDrain();
    content_.stopping = true;
  }
  Wake();
}

void Inbox::Wake() {
  if (awake_.exchange(true, std::memory_order_acq_rel)) return;
  // Taken and dropped: a waiter is either before its check of awake_ or inside the wait.
  { MutexLock lock(&mutex_); }
  changed_.NotifyAll();
}

Inbox::Content Inbox::Take() {
  awake_.store(false, std::memory_order_release);
  MutexLock lock(&mutex_);
  Content taken = std::exchange(content_, {});
  content_.draining = taken.draining;
  content_.stopping = taken.stopping;
  return taken;
}

void Inbox::Wait(Nanoseconds bound) {
  MutexLock lock(&mutex_);
  changed_.WaitFor(&mutex_, bound, [this] { return awake(); });
}

Inbox::Content Inbox::Close() {
  MutexLock lock(&mutex_);
  closed_ = true;
  return std::exchange(content_, {});
}

}  // namespace waferline::runtime
