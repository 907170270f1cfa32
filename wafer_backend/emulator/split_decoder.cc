#include "wafer_backend/emulator/split_decoder.h"

#include <cmath>

namespace waferline::emulator {
namespace {

Nanoseconds Scaled(Nanoseconds time, double factor) {
  return factor == 1 ? time : Nanoseconds(std::llround(time.as_double() * factor));
}

}  // namespace

SplitDecoder::Kept SplitDecoder::Compute(const placement::SplitLoad& load) const {
  const placement::SplitTimes times = placement::TimesOf(model_, load, sides_);
  return {times.step, {{times.attention_busy, times.ffn_busy, times.link_busy}, times.crossed}};
}

SplitDecoder::Kept SplitDecoder::Times(int sequences, Tokens kv_total, int width) const {
  placement::SplitLoad load{sequences, kv_total.count(), width};
  if (model_.attention.kinds.size() == 1) return Compute(load);
  const int64_t bucket = kBucket * sequences;
  load.positions = (load.positions + bucket - 1) / bucket * bucket;
  const std::array<int64_t, 3> key{load.sequences, load.width, load.positions};
  if (const auto known = kept_.find(key); known != kept_.end()) return known->second;
  if (kept_.size() >= kMaxKept) kept_.clear();
  return kept_[key] = Compute(load);
}

Nanoseconds SplitDecoder::StepTime(int sequences, Tokens kv_total, int width) const {
  return Scaled(Times(sequences, kv_total, width).step, slowdown_);
}

TwoSided::Use SplitDecoder::UseOf(int sequences, Tokens kv_total, int width) const {
  Use use = Times(sequences, kv_total, width).use;
  for (Nanoseconds& busy : use.busy) busy = Scaled(busy, slowdown_);
  return use;
}

void SplitDecoder::SetSideSlowdown(Side side, double factor) {
  kept_.clear();
  switch (side) {
    case Side::kAttention:
      sides_.attention = factor;
      return;
    case Side::kFfn:
      sides_.ffn = factor;
      return;
    case Side::kLink:
      sides_.sending = factor;
      return;
  }
}

}  // namespace waferline::emulator
