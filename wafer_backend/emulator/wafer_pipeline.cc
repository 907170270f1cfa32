#include "wafer_backend/emulator/wafer_pipeline.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::emulator {

WaferPipeline::WaferPipeline(std::shared_ptr<const StageCosts> costs)
    : WaferPipeline(std::move(costs), nullptr) {}

WaferPipeline::WaferPipeline(std::shared_ptr<const StageCosts> costs,
                             std::shared_ptr<const Table> healthy)
    : costs_(std::move(costs)),
      stage_slowdown_(costs_->stage_count(), 1.0),
      healthy_(healthy ? std::move(healthy) : std::make_shared<const Table>(Tabulate())),
      table_(healthy_),
      busy_before_(costs_->stage_count()) {}

std::unique_ptr<WaferPipeline> WaferPipeline::Clone() const {
  return std::unique_ptr<WaferPipeline>(new WaferPipeline(costs_, healthy_));
}

// A slow stage takes the next token later, if it is the slowest, and holds each one longer; the
// others, the hops and the way out are as fast as before.
WaferPipeline::Table WaferPipeline::Tabulate() const {
  const auto cost_at = [&](int64_t kv) {
    double bottleneck_ns = 0;
    double latency_ns = slowdown_ * costs_->TokenLatency(Tokens(kv)).as_double();
    for (int s = 0; s < costs_->stage_count(); ++s) {
      const double stage_ns = slowdown_ * costs_->StageTime(s, Tokens(kv)).as_double();
      bottleneck_ns = std::max(bottleneck_ns, stage_ns * stage_slowdown_[s]);
      latency_ns += stage_ns * (stage_slowdown_[s] - 1);
    }
    return std::pair(bottleneck_ns, latency_ns);
  };
  const int64_t last = costs_->max_kv_length().count();
  Table table((last >> kKvShift) + 3);
  for (size_t i = 0; i < table.size(); ++i) {
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
    table[i] = {std::llround(bottleneck_ns), std::llround(latency_ns)};
  }
  return table;
}

// Runs for every token, as Enter does: a call would cost as much as what it does.
[[gnu::always_inline]] inline WaferPipeline::Sample WaferPipeline::At(Tokens kv_length) const {
  const size_t i = kv_length.count() >> kKvShift;
  const int64_t rest = kv_length.count() & (kKvStep - 1);
  const Table& table = *table_;
  WL_CHECK(i + 1 < table.size());
  const Sample& a = table[i];
  const Sample& b = table[i + 1];
  return {a.bottleneck_ns + (((b.bottleneck_ns - a.bottleneck_ns) * rest) >> kKvShift),
          a.latency_ns + (((b.latency_ns - a.latency_ns) * rest) >> kKvShift)};
}

DecodePipeline::Beat WaferPipeline::Enter(Nanoseconds ready, Tokens kv_length, int width) {
  const auto step = static_cast<size_t>(kv_length.count() >> kKvShift);
  if (step - entered_from_ >= entered_.size()) return EnterFirst(ready, kv_length, width);
  const Sample cost = At(kv_length);
  const Nanoseconds enters = std::max(ready, entry_free_);
  const Nanoseconds occupies(cost.bottleneck_ns * width);
  entry_free_ = enters + occupies;
  entered_[step - entered_from_] += width;
  return {occupies, enters + Nanoseconds(cost.latency_ns + cost.bottleneck_ns * (width - 1))};
}

// Apart and last, so that Enter saves no registers for it.
DecodePipeline::Beat WaferPipeline::EnterFirst(Nanoseconds ready, Tokens kv_length, int width) {
  const auto step = static_cast<size_t>(kv_length.count() >> kKvShift);
  if (entered_.empty()) entered_from_ = step;
  if (step < entered_from_) {
    entered_.insert(entered_.begin(), entered_from_ - step, 0);
    entered_from_ = step;
  } else {
    entered_.resize(std::max(entered_.size(), step - entered_from_ + kSpareSteps));
  }
  return Enter(ready, kv_length, width);
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
  if (entry_free_ == Nanoseconds()) return busy_before_[stage];  // nothing has entered yet
  double busy_ns = 0;
  for (size_t i = 0; i < entered_.size(); ++i) {
    if (entered_[i] == 0) continue;
    const auto step = static_cast<int64_t>(entered_from_ + i);
    const Tokens middle(
        std::min<int64_t>(step * kKvStep + kKvStep / 2, costs_->max_kv_length().count()));
    busy_ns += static_cast<double>(entered_[i]) * costs_->StageTime(stage, middle).as_double();
  }
  return busy_before_[stage] + Nanoseconds(std::llround(busy_ns * SlowdownOf(stage)));
}

uint64_t WaferPipeline::entered() const {
  return std::accumulate(entered_.begin(), entered_.end(), entered_before_);
}

void WaferPipeline::ChangeSpeed(double* factor, double to) {
  for (int s = 0; s < stage_count(); ++s) busy_before_[s] = StageBusy(s);
  entered_before_ = entered();
  std::fill(entered_.begin(), entered_.end(), 0);
  *factor = to;
  const auto healthy = [](double f) { return f == 1; };
  const bool all =
      healthy(slowdown_) && std::all_of(stage_slowdown_.begin(), stage_slowdown_.end(), healthy);
  table_ = all ? healthy_ : std::make_shared<const Table>(Tabulate());
}

void WaferPipeline::SetSlowdown(double factor) { ChangeSpeed(&slowdown_, factor); }

void WaferPipeline::SetStageSlowdown(int stage, double factor) {
  ChangeSpeed(&stage_slowdown_.at(stage), factor);
}

}  // namespace waferline::emulator
