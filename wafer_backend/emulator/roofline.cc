#include "wafer_backend/emulator/roofline.h"

#include <cmath>

namespace waferline::emulator {
namespace {

Nanoseconds StepTimeOf(double seconds) { return Nanoseconds(std::llround(seconds * 1e9)); }

}  // namespace

Nanoseconds RooflinePrefill::StepTime(std::span<const PrefillChunk> batch) const {
  timing::Rows rows;
  for (const PrefillChunk& chunk : batch) {
    rows.AddChunk(chunk.fresh.as_double(), chunk.before.as_double());
  }
  return StepTimeOf(costs_.StepSeconds(rows, static_cast<double>(batch.size())));
}

Nanoseconds RooflineDecoder::StepTime(int sequences, Tokens kv_total, int width) const {
  timing::Rows rows;
  rows.Add({static_cast<double>(sequences), kv_total.as_double(), width});
  return StepTimeOf(slowdown_ * costs_.StepSeconds(rows, rows.rows));
}

}  // namespace waferline::emulator
