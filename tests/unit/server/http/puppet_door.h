// An engine that the test plays by hand: what was submitted waits here with its sink, and the
// test's thread is the engine's thread.
#pragma once

#include <deque>
#include <mutex>
#include <set>
#include <vector>

#include "scheduler/request/front_door.h"
#include "tests/unit/server/http/steered_clock.h"

namespace waferline::http {

class PuppetDoor final : public FrontDoor {
 public:
  absl::StatusOr<Ticket> Submit(ValidRequest request) override {
    const std::lock_guard lock(mutex_);
    if (requests_.size() >= capacity_) return absl::UnavailableError("the mailbox is full");
    requests_.push_back(std::move(request));
    return Ticket{requests_.size() - 1};
  }
  void Cancel(Ticket ticket) override {
    const std::lock_guard lock(mutex_);
    cancelled_.insert(ticket.value);
  }
  void Resume(Ticket ticket) override {
    const std::lock_guard lock(mutex_);
    resumed_.push_back(ticket.value);
  }

  void set_capacity(size_t capacity) {
    const std::lock_guard lock(mutex_);
    capacity_ = capacity;
  }
  size_t submitted() const {
    const std::lock_guard lock(mutex_);
    return requests_.size();
  }
  // Waits for the request to come in.
  const ValidRequest* request(size_t index) {
    if (!Eventually([&] { return submitted() > index; })) return nullptr;
    const std::lock_guard lock(mutex_);
    return &requests_[index];
  }
  TokenSink* sink(size_t index) { return request(index)->sink.get(); }
  bool cancelled(size_t index) const {
    const std::lock_guard lock(mutex_);
    return cancelled_.contains(index);
  }
  size_t resumes() const {
    const std::lock_guard lock(mutex_);
    return resumed_.size();
  }
  // The engine forgets its sinks.
  void Forget() {
    const std::lock_guard lock(mutex_);
    for (ValidRequest& request : requests_) request.sink.reset();
  }

 private:
  mutable std::mutex mutex_;
  size_t capacity_ = 1000;
  std::deque<ValidRequest> requests_;
  std::set<uint64_t> cancelled_;
  std::vector<uint64_t> resumed_;
};

}  // namespace waferline::http
