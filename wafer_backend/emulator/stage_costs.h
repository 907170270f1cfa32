// What a token costs on the stages of a pipeline: the only thing that the timing plane wants to
// know of the hardware. Implemented from two numbers (LinearStageCosts) or by the validated models
// of wafer_backend/hardware/timing. Pure functions; any thread.
#pragma once

#include <cstdint>

#include "wafer_backend/base/units.h"

namespace waferline::emulator {

class StageCosts {
 public:
  virtual ~StageCosts() = default;
  virtual int stage_count() const = 0;
  // How long one token of a sequence with this many KV positions occupies a stage: the stage takes
  // the next token afterwards.
  virtual Nanoseconds StageTime(int stage, Tokens kv_length) const = 0;
  // From entering the first stage to leaving the last one, hops between stages and wafers and the
  // way out included. At least the sum of the stage times.
  virtual Nanoseconds TokenLatency(Tokens kv_length) const = 0;
  virtual Tokens max_kv_length() const = 0;
};

// Every layer costs the same: `per_layer + per_layer_per_kv * kv_length`. Layers are dealt to the
// stages as evenly as they go (the first `layers % stages` stages get one more); each boundary
// between wafers adds `wafer_hop`; `fixed` covers embedding, sampling and the way out.
struct LinearCosts {
  int layers = 1;
  int stages = 1;
  int wafers = 1;
  Nanoseconds per_layer;
  double per_layer_per_kv_ns = 0;  // ns a KV position
  Nanoseconds wafer_hop;
  Nanoseconds fixed;
  Tokens max_kv_length{131072};
};

class LinearStageCosts : public StageCosts {
 public:
  explicit LinearStageCosts(const LinearCosts& costs) : costs_(costs) {}
  int stage_count() const override { return costs_.stages; }
  Nanoseconds StageTime(int stage, Tokens kv_length) const override;
  Nanoseconds TokenLatency(Tokens kv_length) const override;
  Tokens max_kv_length() const override { return costs_.max_kv_length; }

 private:
  double LayerNanoseconds(Tokens kv_length) const;
  LinearCosts costs_;
};

}  // namespace waferline::emulator
