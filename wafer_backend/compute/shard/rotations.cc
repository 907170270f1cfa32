#include "wafer_backend/compute/shard/rotations.h"

#include <algorithm>

#include "wafer_backend/compute/kernels/rotary.h"

namespace waferline::shard {
namespace {

std::vector<double> FrequenciesOf(const model::Rotary& rotary) {
  if (rotary.yarn) return kernels::YarnFrequencies(rotary.dims, rotary.base, *rotary.yarn);
  std::vector<double> frequencies =
      kernels::RotaryFrequencies(rotary.dims, rotary.base, rotary.factors);
  for (double& frequency : frequencies) frequency /= rotary.linear_factor;
  return frequencies;
}

}  // namespace

Rotations::Rotations(const model::ModelShape& shape, int64_t max_rows) : head_dim_(shape.head_dim) {
  for (const model::Rotary& rotary : shape.rotaries) {
    const auto angles = static_cast<size_t>(max_rows * rotary.dims);
    ways_.push_back({&rotary, FrequenciesOf(rotary), std::vector<float>(angles)});
  }
}

Bytes Rotations::working_bytes() const {
  Bytes sum;
  for (const Way& way : ways_) sum += Bytes(std::ssize(way.cos_sin) * 4);
  return sum;
}

void Rotations::SetPositions(std::span<const int32_t> positions) {
  for (Way& way : ways_) {
    kernels::RotaryAngles(way.frequencies, positions, way.cos_sin.data(), way.rotary->magnitude);
  }
}

void Rotations::MoveUp(int64_t from, int64_t to, int64_t rows) {
  for (Way& way : ways_) {
    const int64_t dims = way.rotary->dims;
    std::copy_n(way.cos_sin.data() + from * dims, rows * dims, way.cos_sin.data() + to * dims);
  }
}

void Rotations::Turn(int rotary, int64_t row, int64_t heads, float* values) const {
  const Way& way = ways_[static_cast<size_t>(rotary)];
  const int64_t dims = way.rotary->dims;
  kernels::ApplyRotary(way.rotary->kind, way.cos_sin.data() + row * dims, heads, head_dim_, dims,
                       values);
}

}  // namespace waferline::shard
