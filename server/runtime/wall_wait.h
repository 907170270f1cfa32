// How the engine's thread waits for an instant of the wall clock, or for something new in its
// inbox: asleep for most of it, spinning at its end, since waking a sleeping thread takes tens of
// microseconds. Spinning takes at most a share of the wall's time.
//
// Owner and thread: the engine's thread.
#pragma once

#include <cstdint>

#include "server/runtime/clock.h"
#include "server/runtime/inbox.h"

namespace waferline::runtime {

class WallWait {
 public:
  WallWait(const ClockSettings& settings, Inbox* inbox);

  // Until `wall_ns` or something is new.
  void Until(int64_t wall_ns);
  // The same without spinning: what it waits for is being computed, perhaps on this very core.
  void UntilWithoutSpinning(int64_t wall_ns);
  // Sleeps through anything new in the inbox.
  static void SleepUntil(int64_t wall_ns);

 private:
  void Spin(int64_t until_ns);

  const int64_t spin_ns_;
  const double spin_share_;
  Inbox* const inbox_;
  double credit_ns_ = 0;  // what spinning may still take
  int64_t credited_at_ns_;
};

}  // namespace waferline::runtime
