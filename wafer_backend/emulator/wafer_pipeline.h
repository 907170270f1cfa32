// One or more wafers that hold a model, as a pipeline of stages.
//
// The costs are sampled once at every kKvStep positions and interpolated between (exact where they
// are linear in the KV length, as attention's are; the hardware models' steps are smoothed over
// 128 positions), so a token costs two table lookups whatever the model behind them. Pipelines of
// one kind share their costs and, as long as they are healthy, the table. Owner: scheduler/fleet or
// a test. Thread: the engine's.
//
// Left out: a token never waits inside the pipeline (only at its entry, for the bottleneck stage),
// so a sequence with a long KV does not hold up short ones at stages before the bottleneck.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "wafer_backend/api/devices.h"
#include "wafer_backend/emulator/stage_costs.h"

namespace waferline::emulator {

class WaferPipeline final : public DecodePipeline {
 public:
  explicit WaferPipeline(std::shared_ptr<const StageCosts> costs);

  // Another of the same kind, healthy and idle.
  std::unique_ptr<WaferPipeline> Clone() const;

  Beat Enter(Nanoseconds ready, Tokens kv_length, int width) override;
  Nanoseconds Latency(Tokens kv_length) const override;
  int depth(Tokens kv_length) const override;
  int stage_count() const override { return costs_->stage_count(); }
  Nanoseconds StageBusy(int stage) const override;
  uint64_t entered() const override;
  void SetSlowdown(double factor) override;
  void SetStageSlowdown(int stage, double factor) override;

 private:
  static constexpr int kKvShift = 7;
  static constexpr int64_t kKvStep = 1 << kKvShift;
  static constexpr size_t kSpareSteps = 8;
  struct Sample {
    int64_t bottleneck_ns;
    int64_t latency_ns;
  };
  using Table = std::vector<Sample>;

  WaferPipeline(std::shared_ptr<const StageCosts> costs, std::shared_ptr<const Table> healthy);
  Table Tabulate() const;
  Sample At(Tokens kv_length) const;
  [[gnu::noinline]] Beat EnterFirst(Nanoseconds ready, Tokens kv_length, int width);
  double SlowdownOf(int stage) const { return slowdown_ * stage_slowdown_[stage]; }
  void ChangeSpeed(double* factor, double to);

  const std::shared_ptr<const StageCosts> costs_;
  double slowdown_ = 1;                 // of everything
  std::vector<double> stage_slowdown_;  // of a stage, besides
  std::shared_ptr<const Table> healthy_;
  std::shared_ptr<const Table> table_;  // as fast as it is now
  Nanoseconds entry_free_;
  // Tokens that entered, by KV length in steps, since the last change of speed; from them the busy
  // time of every stage follows without touching each stage for each token. From the shortest KV
  // that has come to the longest: most units of a large fleet see few requests, or none.
  std::vector<uint64_t> entered_;
  size_t entered_from_ = 0;  // the first one's KV length in steps
  uint64_t entered_before_ = 0;
  std::vector<Nanoseconds> busy_before_;  // a stage's, up to the last change of speed
};

}  // namespace waferline::emulator
