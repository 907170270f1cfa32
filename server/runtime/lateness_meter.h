// Measures how long after its instant each token leaves, on the wall clock.
//
// Owner: EngineThread; given to the engine as one of its observers. Thread: the engine's. Cost: a
// read of the wall clock a token under the real clock, nothing under the stepped one.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "scheduler/engine/observer.h"

namespace waferline::runtime {

// What only the runtime measures. Called on the engine's thread; must not block.
class LatenessObserver {
 public:
  virtual ~LatenessObserver() = default;
  // A token left this long after its instant, counted on the wall clock from its request's
  // arrival: time in which the emulated hardware waited for a value is in it. >= 0. Real clock.
  virtual void OnTokenLateness(const engine::TokenInfo& token, Nanoseconds wall) = 0;
  // Emulated time stood still for this long, waiting for values.
  virtual void OnBlocked(Nanoseconds wall) {}
};

// Reports to several.
class LatenessObservers final : public LatenessObserver {
 public:
  explicit LatenessObservers(std::vector<LatenessObserver*> observers)
      : observers_(std::move(observers)) {}
  void OnTokenLateness(const engine::TokenInfo& token, Nanoseconds wall) override {
    for (LatenessObserver* const one : observers_) one->OnTokenLateness(token, wall);
  }
  void OnBlocked(Nanoseconds wall) override {
    for (LatenessObserver* const one : observers_) one->OnBlocked(wall);
  }

 private:
  const std::vector<LatenessObserver*> observers_;
};

class LatenessMeter final : public engine::EngineObserver {
 public:
  // `scale` as in ClockSettings; nullopt: emulated time has no relation to the wall, and there is
  // no lateness.
  LatenessMeter(LatenessObserver* observer, std::optional<double> scale)
      : observer_(observer), scale_(scale) {}

  // The request handed to the engine next was submitted then.
  void SetSubmitted(int64_t wall_ns) { submitted_wall_ns_ = wall_ns; }

  void OnAdmitted(const engine::SequenceInfo& sequence) override;
  void OnToken(const engine::TokenInfo& token) override;

 private:
  struct Arrival {
    Nanoseconds instant;
    int64_t wall_ns = 0;
  };
  LatenessObserver* const observer_;
  const std::optional<double> scale_;
  int64_t submitted_wall_ns_ = 0;
  std::vector<Arrival> arrivals_;  // by slot
};

}  // namespace waferline::runtime
