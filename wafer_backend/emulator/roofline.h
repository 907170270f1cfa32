// GPU-like devices by the roofline: a step takes as long as its arithmetic or its memory traffic,
// whichever is longer, plus a fixed overhead (Williams, Waterman, Patterson: "Roofline", CACM
// 2009). A worker may be several GPUs that share a model (tensor parallel): its rates are theirs
// together. Left out: communication between them beyond what the efficiencies take off.
#pragma once

#include <cstdint>
#include <span>

#include "wafer_backend/api/devices.h"

namespace waferline::emulator {

struct RooflineHardware {
  double flops_per_second = 0;  // peak of all GPUs of the worker
  double bytes_per_second = 0;  // memory bandwidth of all GPUs of the worker
  double flops_efficiency = 1;  // (0, 1]: what a large matrix product reaches
  double bytes_efficiency = 1;
  Nanoseconds step_overhead;
};

struct RooflineModel {
  int layers = 1;
  double weight_bytes = 0;
  double active_parameters = 0;         // a token multiplies with: 2 flops each
  double attention_flops_per_pair = 0;  // a (query, key) pair over all layers: 4 * layers * q width
  double kv_bytes_per_token = 0;
};

class RooflinePrefill : public PrefillDevice {
 public:
  RooflinePrefill(const RooflineHardware& hardware, const RooflineModel& model);
  Nanoseconds StepTime(std::span<const PrefillChunk> batch) const override;
  int layer_count() const override { return model_.layers; }

 private:
  RooflineHardware hardware_;
  RooflineModel model_;
};

class RooflineDecoder : public BatchDecoder {
 public:
  RooflineDecoder(const RooflineHardware& hardware, const RooflineModel& model);
  Nanoseconds StepTime(int sequences, Tokens kv_total, int width) const override;
  void SetSlowdown(double factor) override { slowdown_ = factor; }

 private:
  RooflineHardware hardware_;
  RooflineModel model_;
  double slowdown_ = 1;
};

}  // namespace waferline::emulator
