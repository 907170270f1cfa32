#include "wafer_backend/hardware/placement/split_model.h"

#include <algorithm>
#include <cmath>

#include "wafer_backend/base/check.h"

namespace waferline::placement {
namespace {

// Of the step, for which what bounds it works.
constexpr double kAlmostAll = 0.9;

Nanoseconds Rounded(double seconds) { return Nanoseconds(std::llround(seconds * 1e9)); }

timing::Crossing CrossingOf(const SplitModel& model, double bytes, double slowdown) {
  return {Rounded(slowdown * bytes / model.link_bytes_per_second), model.link_latency};
}

}  // namespace

SplitBound SplitTimes::bound() const {
  const Nanoseconds most = std::max({attention_busy, ffn_busy, link_busy});
  if (most.as_double() < kAlmostAll * step.as_double()) return SplitBound::kLatency;
  if (most == attention_busy) return SplitBound::kAttention;
  return most == ffn_busy ? SplitBound::kFfn : SplitBound::kLink;
}

SplitTimes TimesOf(const SplitModel& model, const SplitLoad& load, const SplitSlowdown& slowdown) {
  WL_CHECK(load.sequences >= 1 && load.width >= 1 && !model.kind_of.empty());
  SplitTimes times;
  times.micro_batches = std::min(model.micro_batches, load.sequences);
  const int m = times.micro_batches;
  const auto sequences = static_cast<double>((load.sequences + m - 1) / m);
  const double mean = static_cast<double>(load.positions) / load.sequences;
  const timing::MicroBatch batch{sequences, sequences * mean, load.width};
  const timing::MicroBatch all{static_cast<double>(load.sequences),
                               static_cast<double>(load.positions), load.width};
  const double values = sequences * load.width * static_cast<double>(model.state.values);
  const timing::Crossing out = CrossingOf(model, values * model.state.a2f_bytes, slowdown.sending);
  const timing::Crossing back = CrossingOf(model, values * model.state.f2a_bytes, slowdown.sending);
  for (size_t i = 0; i < model.attention.kinds.size(); ++i) {
    times.kinds.push_back({Rounded(slowdown.attention * model.attention.kinds[i].At(batch)),
                           Rounded(slowdown.ffn * model.ffn.kinds[i].At(batch)), out, back});
  }
  // A side that all layers share reads the output matrix once for all; where it has a region of its
  // own, the logits of earlier micro-batches are ready before the last one comes.
  const timing::SideWork& output = model.attention.output;
  times.output = Rounded(slowdown.attention * output.At(model.attention.by_layer ? batch : all));

  const auto layers = static_cast<int>(model.kind_of.size());
  const timing::SplitSides sides{model.attention.by_layer, model.ffn.by_layer};
  if (times.kinds.size() == 1) {
    times.step = timing::SplitStepTime(times.kinds[0], layers, m, sides);
  } else {
    std::vector<timing::SplitLayer> each;
    for (const uint8_t kind : model.kind_of) each.push_back(times.kinds[kind]);
    times.step = timing::SplitStepTime(each, m, sides);
  }
  times.step += times.output;
  for (const uint8_t kind : model.kind_of) {
    times.attention_busy += times.kinds[kind].attention * m;
    times.ffn_busy += times.kinds[kind].ffn * m;
  }
  if (sides.attention_by_layer) times.attention_busy = times.attention_busy / layers;
  if (sides.ffn_by_layer) times.ffn_busy = times.ffn_busy / layers;
  if (!sides.attention_by_layer) times.attention_busy += times.output;
  times.link_busy = std::max(out.sending, back.sending) * m * layers;
  times.crossed = timing::LinkBytes(model.state, int64_t{load.sequences} * load.width, layers);
  return times;
}

}  // namespace waferline::placement
