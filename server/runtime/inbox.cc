#include "server/runtime/inbox.h"

namespace waferline::runtime {

Inbox::Push Inbox::PushRequest(Submitted&& item) {
  {
    std::lock_guard lock(mutex_);
    if (closed_ || content_.draining) return Push::kClosed;
    if (content_.requests.size() >= max_requests_) return Push::kFull;
    content_.requests.push_back(std::move(item));
  }
  Wake();
  return Push::kTaken;
}

void Inbox::PushCancel(Ticket ticket) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    content_.cancels.push_back(ticket);
  }
  Wake();
}

void Inbox::PushResume(Ticket ticket) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    content_.resumes.push_back(ticket);
  }
  Wake();
}

bool Inbox::PushCall(Call&& call) {
  {
    std::lock_guard lock(mutex_);
    if (closed_ || content_.calls.size() >= max_calls_) return false;
    content_.calls.push_back(std::move(call));
  }
  Wake();
  return true;
}

void Inbox::Drain() {
  {
    std::lock_guard lock(mutex_);
    content_.draining = true;
  }
  Wake();
}

void Inbox::Stop() {
  {
    std::lock_guard lock(mutex_);
    content_.draining = content_.stopping = true;
  }
  Wake();
}

void Inbox::Wake() {
  if (awake_.exchange(true, std::memory_order_acq_rel)) return;
  // Taken and dropped: a waiter is either before its check of awake_ or inside the wait.
  { std::lock_guard lock(mutex_); }
  changed_.notify_one();
}

Inbox::Content Inbox::Take() {
  awake_.store(false, std::memory_order_release);
  std::lock_guard lock(mutex_);
  Content taken = std::exchange(content_, {});
  content_.draining = taken.draining;
  content_.stopping = taken.stopping;
  return taken;
}

void Inbox::WaitUntil(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [this] { return awake(); });
}

Inbox::Content Inbox::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  return std::exchange(content_, {});
}

}  // namespace waferline::runtime
