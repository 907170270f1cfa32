// The compute time of one worker or unit, shared out to the requests that occupied it, in whole
// nanoseconds and microjoules: what all requests are charged is what the device worked, exactly.
//
// A pipeline's beat occupies it for as long as it holds the entry (other beats wait meanwhile),
// which those before and after it do not: no instant is charged twice. A step of several sequences
// is shared out by StepShares. Time that nothing occupied, steps whose sequences ended meanwhile
// and steps of a worker that was lost are charged to no request: the device's idle time.
// Owner: a pool of the engine. Thread: the engine's.
#pragma once

#include <cstdint>

#include "scheduler/request/token_sink.h"
#include "wafer_backend/base/units.h"

namespace waferline::engine {

// A step's time for its parts, one after the other, in proportion to their weights: part i ends at
// time x (weights so far) / (all weights), rounded down, so that the shares sum to the step.
class StepShares {
 public:
  StepShares(Nanoseconds time, int64_t total_weight) : time_(time), total_(total_weight) {}
  Nanoseconds Next(int64_t weight) {
    weight_ += weight;
    // time x weight / total without a product above 2^63 for steps below 2^31 weights.
    const int64_t end =
        time_.count() / total_ * weight_ + time_.count() % total_ * weight_ / total_;
    const Nanoseconds share(end - given_);
    given_ = end;
    return share;
  }

 private:
  const Nanoseconds time_;
  const int64_t total_;
  int64_t weight_ = 0;
  int64_t given_ = 0;
};

class DeviceMeter {
 public:
  DeviceMeter() = default;
  // `devices` that work as one, of which `wafers` are such, and draw `milliwatts` together.
  DeviceMeter(int devices, int wafers, int64_t milliwatts)
      : devices_(devices), wafers_(wafers), milliwatts_(milliwatts) {}

  // A request occupied it for `time`: adds its part to what the request has so far.
  void Charge(Nanoseconds time, ComputeUse* use) {
    charged_ += time;
    use->wafer_ns += time.count() * wafers_;
    use->accelerator_ns += time.count() * (devices_ - wafers_);
    constexpr int64_t kMillion = 1'000'000;  // mW x ns is 10^-6 uJ
    const int64_t parts = time.count() % kMillion * milliwatts_ + rest_;
    use->microjoules += time.count() / kMillion * milliwatts_ + parts / kMillion;
    rest_ = parts % kMillion;
  }
  Nanoseconds charged() const { return charged_; }
  int devices() const { return devices_; }

 private:
  int devices_ = 1, wafers_ = 0;
  int64_t milliwatts_ = 0;
  int64_t rest_ = 0;  // millionths of a microjoule that the next request gets
  Nanoseconds charged_;
};

}  // namespace waferline::engine
