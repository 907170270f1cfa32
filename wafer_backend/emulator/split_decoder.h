// A decode device of two sides: attention (with the KV) on some machines, feed-forward on others,
// hidden states crossing twice a layer (hardware/placement/split_model.h).
//
// Where layers differ a step is simulated event by event, so the lengths are rounded up to
// kBucket positions a sequence there and results are kept; where they are alike the closed form is
// exact and nothing is rounded. Owner: scheduler/fleet or a test. Thread: the engine's.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "wafer_backend/api/devices.h"
#include "wafer_backend/hardware/placement/split_model.h"

namespace waferline::emulator {

class SplitDecoder final : public BatchDecoder, public TwoSided {
 public:
  static constexpr int64_t kBucket = 64;
  static constexpr size_t kMaxKept = 4096;  // steps; then all are forgotten

  explicit SplitDecoder(placement::SplitModel model) : model_(std::move(model)) {}

  // `sequences` >= 1.
  Nanoseconds StepTime(int sequences, Tokens kv_total, int width) const override;
  void SetSlowdown(double factor) override { slowdown_ = factor; }
  TwoSided* sides() override { return this; }

  Use UseOf(int sequences, Tokens kv_total, int width) const override;
  void SetSideSlowdown(Side side, double factor) override;

 private:
  struct Kept {
    Nanoseconds step;
    Use use;
  };
  Kept Times(int sequences, Tokens kv_total, int width) const;
  Kept Compute(const placement::SplitLoad& load) const;

  const placement::SplitModel model_;
  double slowdown_ = 1;
  placement::SplitSlowdown sides_;
  // By sequences, width and positions. What it holds is a function of its key alone.
  mutable std::map<std::array<int64_t, 3>, Kept> kept_;
};

}  // namespace waferline::emulator
