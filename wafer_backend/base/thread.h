// A thread of the machine that its maker runs on (machine.h): std::thread, as far as it is used.
// Owner: one object; it must be joined before it dies.
#pragma once

#include <cstdint>
#include <functional>
#include <thread>
#include <utility>

#include "wafer_backend/base/machine.h"

namespace waferline {

class Thread {
 public:
  Thread() = default;
  explicit Thread(std::function<void()> run) : machine_(Machine::OfThisThread()) {
    if (machine_ == nullptr) {
      thread_ = std::thread(std::move(run));
    } else {
      number_ = machine_->Start(std::move(run));
    }
  }
  Thread(Thread&& other) noexcept { *this = std::move(other); }
  Thread& operator=(Thread&& other) noexcept {
    thread_ = std::move(other.thread_);
    machine_ = std::exchange(other.machine_, nullptr);
    number_ = other.number_;
    return *this;
  }

  bool joinable() const { return machine_ != nullptr || thread_.joinable(); }
  void join() {
    if (machine_ == nullptr) return thread_.join();
    std::exchange(machine_, nullptr)->Join(number_);
  }

 private:
  std::thread thread_;
  Machine* machine_ = nullptr;  // not null: it is that machine's, not joined yet
  uint64_t number_ = 0;
};

}  // namespace waferline
