// When a busy store may commit next: its commits take at most 1/kShare of the time in the long run,
// and begin between kMinGap and kMaxGap apart, so that a slow database gets fewer, larger ones. A
// store that was idle has kBurst of them to spare, so that few records need not wait for others.
// Law: whatever was committed before, early or late, the next waits for kMaxGap at most.
//
// Owner and thread: one at a time. The generic cell rate algorithm (ITU-T I.371).
#pragma once

#include <algorithm>

#include "wafer_backend/base/units.h"

namespace waferline::store {

class CommitPace {
 public:
  static constexpr int kShare = 16;
  static constexpr int kBurst = 2;
  static constexpr Nanoseconds kMinGap = Milliseconds(4);
  static constexpr Nanoseconds kMaxGap = Milliseconds(100);

  // One that took so long has ended.
  void Add(Nanoseconds took, Nanoseconds now) {
    usual_ = (usual_ * 3 + took) / 4;
    const Nanoseconds gap = std::clamp(usual_ * kShare, kMinGap, kMaxGap);
    next_ = std::clamp(next_, now - gap * kBurst, now) + gap;
  }
  // The next may begin from then on.
  Nanoseconds next() const { return next_; }

 private:
  Nanoseconds usual_{}, next_{};
};

}  // namespace waferline::store
