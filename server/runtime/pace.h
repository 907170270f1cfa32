// How the real clock maps emulated time to the wall: a straight line through an anchor, moved when
// emulated time stood still. A value; any thread. Rounded so that nothing is ever early.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "wafer_backend/base/units.h"

namespace waferline::runtime {

class Pace {
 public:
  // Emulated time ends here, 292 years after its start: what is under way then may be planned for
  // thirty days more without an overflow.
  static constexpr Nanoseconds kEnd =
      Nanoseconds(std::numeric_limits<int64_t>::max()) - Seconds(30 * 24 * 3600);

  // `scale`: emulated seconds a wall second, > 0. At `wall_ns` emulated time is `at`.
  Pace(double scale, int64_t wall_ns, Nanoseconds at) : scale_(scale), wall_ns_(wall_ns), at_(at) {}

  // From now on emulated time is `at` at `wall_ns` and runs on from there.
  void Anchor(int64_t wall_ns, Nanoseconds at) {
    wall_ns_ = wall_ns;
    at_ = at;
  }
  // The latest instant that has come at `wall_ns`, kEnd at most.
  Nanoseconds InstantAt(int64_t wall_ns) const {
    const double passed = std::floor(static_cast<double>(wall_ns - wall_ns_) * scale_);
    if (passed >= (kEnd - at_).as_double()) return kEnd;
    return at_ + Nanoseconds(static_cast<int64_t>(passed));
  }
  // The first nanosecond of the wall at which `instant` has come.
  int64_t WallOf(Nanoseconds instant) const {
    const double wall = (instant - at_).as_double() / scale_;
    return wall_ns_ + static_cast<int64_t>(std::ceil(wall));
  }

 private:
  double scale_;
  int64_t wall_ns_;
  Nanoseconds at_;
};

}  // namespace waferline::runtime
