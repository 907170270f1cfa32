// Devices that take steps over a batch, GPUs and alike: a step lasts as long as
// timing::BatchCosts says of the tokens in it. A worker may be several devices that share a model
// (tensor parallel).
#pragma once

#include <span>
#include <utility>

#include "wafer_backend/api/devices.h"
#include "wafer_backend/hardware/timing/batch_costs.h"

namespace waferline::emulator {

class RooflinePrefill : public PrefillDevice {
 public:
  explicit RooflinePrefill(timing::BatchCosts costs) : costs_(std::move(costs)) {}
  Nanoseconds StepTime(std::span<const PrefillChunk> batch) const override;
  int layer_count() const override { return costs_.layers; }

 private:
  timing::BatchCosts costs_;
};

class RooflineDecoder : public BatchDecoder {
 public:
  explicit RooflineDecoder(timing::BatchCosts costs) : costs_(std::move(costs)) {}
  Nanoseconds StepTime(int sequences, Tokens kv_total, int width) const override;
  void SetSlowdown(double factor) override { slowdown_ = factor; }

 private:
  timing::BatchCosts costs_;
  double slowdown_ = 1;
};

}  // namespace waferline::emulator
