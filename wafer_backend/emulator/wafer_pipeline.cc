#include "wafer_backend/emulator/wafer_pipeline.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::emulator {

WaferPipeline::WaferPipeline(std::unique_ptr<const StageCosts> costs)
    : costs_(std::move(costs)),
      table_((costs_->max_kv_length().count() >> kKvShift) + 3),
      entered_(table_.size()),
      busy_before_(costs_->stage_count()) {
  Tabulate(1);
}

void WaferPipeline::Tabulate(double slowdown) {
  const auto cost_at = [&](int64_t kv) {
    double bottleneck_ns = 0;
    for (int s = 0; s < costs_->stage_count(); ++s) {
      bottleneck_ns = std::max(bottleneck_ns, costs_->StageTime(s, Tokens(kv)).as_double());
    }
    return std::pair(bottleneck_ns, costs_->TokenLatency(Tokens(kv)).as_double());
  };
  const int64_t last = costs_->max_kv_length().count();
  for (size_t i = 0; i < table_.size(); ++i) {
    const int64_t kv = static_cast<int64_t>(i) * kKvStep;
    auto [bottleneck_ns, latency_ns] = cost_at(std::min(kv, last));
    if (kv > last && last > kv - kKvStep) {
      // The costs end at `last`: the segment around it keeps its slope.
      const auto [bottleneck_before, latency_before] = cost_at(kv - kKvStep);
      const double stretch =
          static_cast<double>(kKvStep) / static_cast<double>(last - kv + kKvStep);
      bottleneck_ns = bottleneck_before + (bottleneck_ns - bottleneck_before) * stretch;
      latency_ns = latency_before + (latency_ns - latency_before) * stretch;
    }
    table_[i] = {std::llround(bottleneck_ns * slowdown), std::llround(latency_ns * slowdown)};
  }
}

WaferPipeline::Sample WaferPipeline::At(Tokens kv_length) const {
  const size_t i = kv_length.count() >> kKvShift;
  const int64_t rest = kv_length.count() & (kKvStep - 1);
  WL_CHECK(i + 1 < table_.size());
  const Sample& a = table_[i];
  const Sample& b = table_[i + 1];
  return {a.bottleneck_ns + (((b.bottleneck_ns - a.bottleneck_ns) * rest) >> kKvShift),
          a.latency_ns + (((b.latency_ns - a.latency_ns) * rest) >> kKvShift)};
}

DecodePipeline::Beat WaferPipeline::Enter(Nanoseconds ready, Tokens kv_length, int width) {
  const Sample cost = At(kv_length);
  const Nanoseconds enters = std::max(ready, entry_free_);
  entry_free_ = enters + Nanoseconds(cost.bottleneck_ns * width);
  entered_[kv_length.count() >> kKvShift] += width;
  return {enters, enters + Nanoseconds(cost.latency_ns + cost.bottleneck_ns * (width - 1))};
}

Nanoseconds WaferPipeline::Latency(Tokens kv_length) const {
  return Nanoseconds(At(kv_length).latency_ns);
}

int WaferPipeline::depth(Tokens kv_length) const {
  const Sample cost = At(kv_length);
  return static_cast<int>(
      std::max<int64_t>(1, cost.latency_ns / std::max<int64_t>(1, cost.bottleneck_ns)));
}

Nanoseconds WaferPipeline::StageBusy(int stage) const {
  double busy_ns = 0;
  for (size_t i = 0; i < entered_.size(); ++i) {
    if (entered_[i] == 0) continue;
    const Tokens middle(std::min<int64_t>(static_cast<int64_t>(i) * kKvStep + kKvStep / 2,
                                          costs_->max_kv_length().count()));
    busy_ns += static_cast<double>(entered_[i]) * costs_->StageTime(stage, middle).as_double();
  }
  return busy_before_[stage] + Nanoseconds(std::llround(busy_ns * slowdown_));
}

uint64_t WaferPipeline::entered() const {
  return std::accumulate(entered_.begin(), entered_.end(), entered_before_);
}

void WaferPipeline::SetSlowdown(double factor) {
  for (int s = 0; s < stage_count(); ++s) busy_before_[s] = StageBusy(s);
  entered_before_ = entered();
  std::fill(entered_.begin(), entered_.end(), 0);
  slowdown_ = factor;
  Tabulate(factor);
}

}  // namespace waferline::emulator
