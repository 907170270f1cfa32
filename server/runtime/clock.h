// Emulated time against the wall. A value of settings; server/config fills it.
#pragma once

#include <cstdint>

#include "wafer_backend/base/units.h"

namespace waferline::runtime {

enum class ClockKind : uint8_t {
  kReal,     // emulated time = wall time * scale; a token never leaves early
  kStepped,  // as fast as values arrive
};

struct ClockSettings {
  ClockKind kind = ClockKind::kReal;
  // kReal: emulated seconds a wall second. > 0; 1: as the hardware would.
  double scale = 1;
  // kReal: before an instant the engine's thread sleeps, and spins for the last part, since waking
  // a sleeping thread takes tens of microseconds. 0: sleeps only.
  Nanoseconds spin = Microseconds(60);
  // Spinning takes at most this share of the wall's time, so that the cores do other work.
  double spin_share = 0.25;
  // kStepped: how long, on the wall clock, emulated time waits for a missing number in a trace of
  // arrivals (arrival_feed.h).
  Nanoseconds arrival_grace = Seconds(30);
  // kStepped: a sequence ends if its reader stays full this long on the wall clock.
  Nanoseconds reader_grace = Seconds(30);
};

}  // namespace waferline::runtime
