// Whether a worker still lives. One that has sent nothing for a while is asked (PingFrame); one
// that has then sent nothing for the whole of its patience is silent: stopped, unreachable or
// stuck.
//
// A worker computes and answers on one thread, so the patience must exceed its longest step or
// prompt chunk. It grows to kSteps times the longest step that was seen. A value; its owner's
// thread. Times are the reactor's.
#pragma once

#include <algorithm>

#include "wafer_backend/base/units.h"

namespace waferline::plane {

class PeerWatch {
 public:
  static constexpr int kSteps = 4;

  PeerWatch() = default;
  PeerWatch(Nanoseconds patience, Nanoseconds now)
      : patience_(patience), heard_(now), asked_(now) {}

  void OnFrame(Nanoseconds now) { heard_ = now; }
  void OnStep(Nanoseconds took) { patience_ = std::max(patience_, kSteps * took); }

  bool Silent(Nanoseconds now) const { return now - heard_ > patience_; }
  // It is time for a ping, which the caller sends now.
  bool TakePing(Nanoseconds now) {
    const Nanoseconds interval = patience_ / 4;
    if (now - heard_ < interval || now - asked_ < interval) return false;
    asked_ = now;
    return true;
  }
  Nanoseconds patience() const { return patience_; }

 private:
  Nanoseconds patience_;
  Nanoseconds heard_;
  Nanoseconds asked_;
};

}  // namespace waferline::plane
