// The validated hardware models behind the emulator's small interfaces. Values and pure functions;
// any thread.
#pragma once

#include <utility>

#include "wafer_backend/emulator/stage_costs.h"
#include "wafer_backend/hardware/silicon/hardware.h"
#include "wafer_backend/hardware/timing/batch_costs.h"
#include "wafer_backend/hardware/timing/model_shape.h"
#include "wafer_backend/hardware/timing/stage_costs.h"

namespace waferline::emulator {

// A model laid over wafers: each stage's latency as hardware/timing predicts it.
class HardwareStageCosts : public StageCosts {
 public:
  HardwareStageCosts(timing::DecodeCosts costs, Tokens max_kv_length)
      : costs_(std::move(costs)), max_kv_length_(max_kv_length) {}
  int stage_count() const override { return static_cast<int>(costs_.stages.size()); }
  Nanoseconds StageTime(int stage, Tokens kv_length) const override;
  Nanoseconds TokenLatency(Tokens kv_length) const override {
    return costs_.TokenLatency(kv_length);
  }
  Tokens max_kv_length() const override { return max_kv_length_; }

 private:
  timing::DecodeCosts costs_;
  Tokens max_kv_length_;
};

// A model on `devices` accelerators of one kind, FP16 weights and KV. The shape has passed
// timing::CheckShape.
timing::BatchCosts RooflineOf(const timing::ModelSizes& shape,
                              const silicon::AcceleratorSpec& device, int devices);

}  // namespace waferline::emulator
