// Bounds what one compilation of a grammar takes: its parts count their steps, and give up when
// there were too many. Patterns and alternatives multiply, so that a short text can ask for hours.
//
// One a compilation, on the stack; counts for its own thread only, so that the pure functions of
// this folder need not pass it on. A step takes some 10 to 40 ns, all that are allowed about half a
// second.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace waferline::grammar {

class WorkMeter {
 public:
  static constexpr uint64_t kMaxSteps = 16'000'000;

  WorkMeter() : outer_(current) { current = this; }
  ~WorkMeter() { current = outer_; }
  WorkMeter(const WorkMeter&) = delete;
  WorkMeter& operator=(const WorkMeter&) = delete;

  // Counts on this thread's meter; InvalidArgument from kMaxSteps on. Without a meter: OK.
  static absl::Status Spend(uint64_t steps) {
    if (current == nullptr) return absl::OkStatus();
    current->steps_ += steps;
    return current->status();
  }
  absl::Status status() const {
    if (steps_ <= kMaxSteps) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "takes too long to compile: its patterns, counts or alternatives multiply");
  }
  uint64_t steps() const { return steps_; }

 private:
  static inline thread_local WorkMeter* current = nullptr;
  WorkMeter* const outer_;
  uint64_t steps_ = 0;
};

}  // namespace waferline::grammar
