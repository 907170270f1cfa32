// The ways in which a model turns the heads of queries and keys (model::Rotary), and their angles
// at the positions of a step's rows.
//
// Owner: a LayerStack, on its thread. Memory: `working_bytes`, for up to `max_rows` rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "wafer_backend/base/units.h"
#include "wafer_backend/compute/model/model_shape.h"

namespace waferline::shard {

class Rotations {
 public:
  Rotations(const model::ModelShape& shape, int64_t max_rows);

  // The angles of rows at these positions, at most max_rows, for the calls below.
  void SetPositions(std::span<const int32_t> positions);

  // Moves the angles of `rows` rows from row `from` up to row `to`.
  void MoveUp(int64_t from, int64_t to, int64_t rows);

  // Turns one row of heads in place, f32 [heads][head_dim]; `rotary`: index in shape.rotaries.
  void Turn(int rotary, int64_t row, int64_t heads, float* values) const;

  // From `row` on, f32 [rows][dims], as kernels::RotaryAngles writes them.
  const float* cos_sin(int rotary, int64_t row) const {
    return ways_[rotary].cos_sin.data() + row * ways_[rotary].rotary->dims;
  }

  Bytes working_bytes() const;

 private:
  struct Way {
    const model::Rotary* rotary;
    std::vector<double> frequencies;
    std::vector<float> cos_sin;
  };

  const int64_t head_dim_;
  std::vector<Way> ways_;  // as shape.rotaries
};

}  // namespace waferline::shard
