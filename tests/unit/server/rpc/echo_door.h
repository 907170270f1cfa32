// A FrontDoor behind which each request gets `tokens` tokens ("a", "b", ...) and then its end, on a
// thread that plays the engine.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "scheduler/request/front_door.h"

namespace waferline {

class EchoDoor : public FrontDoor {
 public:
  explicit EchoDoor(std::chrono::microseconds gap = {}) : gap_(gap) {}
  // No server may submit any more.
  ~EchoDoor() override {
    std::vector<std::thread> threads;
    {
      std::lock_guard lock(mutex_);
      threads = std::move(threads_);
    }
    for (std::thread& thread : threads) thread.join();
  }

  absl::StatusOr<Ticket> Submit(ValidRequest request) override {
    std::lock_guard lock(mutex_);
    const uint64_t ticket = next_++;
    threads_.emplace_back([this, ticket, request] { Answer(ticket, request); });
    return Ticket{ticket};
  }
  void Cancel(Ticket ticket) override {
    std::lock_guard lock(mutex_);
    cancelled_.insert(ticket.value);
  }
  void Resume(Ticket) override {}

  uint64_t submitted() {
    std::lock_guard lock(mutex_);
    return next_;
  }

 private:
  bool Cancelled(uint64_t ticket) {
    std::lock_guard lock(mutex_);
    return cancelled_.count(ticket) > 0;
  }

  void Answer(uint64_t ticket, const ValidRequest& request) {
    request.sink->OnAdmitted();
    Outcome outcome{.reason = FinishReason::kLength,
                    .prompt_tokens = static_cast<uint32_t>(request.prompt->size())};
    for (uint32_t i = 0; i < request.max_tokens; ++i) {
      if (Cancelled(ticket)) {
        outcome.reason = FinishReason::kCancelled;
        break;
      }
      std::this_thread::sleep_for(gap_);
      const TokenValue value{.id = static_cast<TokenId>('a' + i % 26)};
      request.sink->OnToken(
          {.index = i, .value = &value, .since_arrival = Milliseconds(5) + Milliseconds(1) * i});
      ++outcome.generated_tokens;
    }
    outcome.times = {.queue = Milliseconds(1),
                     .prefill = Milliseconds(3),
                     .transfer = Milliseconds(1),
                     .decode = Milliseconds(outcome.generated_tokens)};
    request.sink->OnOutcome(outcome);
  }

  const std::chrono::microseconds gap_;
  std::mutex mutex_;
  uint64_t next_ = 0;
  std::set<uint64_t> cancelled_;
  std::vector<std::thread> threads_;
};

}  // namespace waferline
