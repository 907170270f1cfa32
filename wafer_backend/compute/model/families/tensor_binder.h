// Finds the tensors of a model by name, checks their shapes and makes views of them. It remembers
// which were used: a tensor that no part of the family binds means a variant that would be computed
// wrongly. Lives while one file is read; one thread.
//
// InvalidArgument names the tensor: missing, or of another shape than the metadata calls for;
// Unimplemented names dtype and tensor if its layout is not known.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

#include "absl/status/status.h"
#include "wafer_backend/compute/model/families/key_reader.h"
#include "wafer_backend/compute/model/weights.h"

namespace waferline::model {

class TensorBinder {
 public:
  // What `keys` has read counts as used. It must outlive this.
  explicit TensorBinder(const KeyReader& keys);

  // Names given from now on are those of a layer: "attn_q" is tensor blk.<layer>.attn_q.
  void EnterLayer(int64_t layer);
  void LeaveLayers() { prefix_.clear(); }

  // Tensors of layers behind `layer` count as used.
  void LeaveOutLayersAfter(int64_t layer);

  bool Has(std::string_view name) const;
  absl::Status Matrix(std::string_view name, int64_t rows, int64_t cols, WeightView* view);
  absl::Status Vector(std::string_view name, int64_t size, WeightView* view);

  // <name>.weight of `rows` x `cols`, and <name>.bias: if it is there, or always.
  enum class Bias { kIfThere, kRequired };
  absl::Status Linear(std::string_view name, int64_t rows, int64_t cols, LinearWeights* linear,
                      Bias bias = Bias::kIfThere);
  struct StackShape {
    int64_t count = 0;  // matrices
    int64_t rows = 0;   // of each
    int64_t cols = 0;
  };
  // The same for each of several heads: <name>.weight is [cols, rows, count], <name>.bias, if it is
  // there, [rows, count]. `linear` holds them one below the other.
  absl::Status Stacked(std::string_view name, const StackShape& shape, LinearWeights* linear);
  // The same for experts, in <name>_exps.weight; in older files <name>.0.weight, <name>.1.weight
  // ...
  absl::Status Experts(std::string_view name, const StackShape& shape, ExpertMatrices* experts);
  // <name>.weight of `size`, and <name>.bias if it is there.
  absl::Status Norm(std::string_view name, int64_t size, NormWeights* norm);
  // <name>.weight of [heads][head_dim].
  absl::Status HeadNorms(std::string_view name, int64_t heads, int64_t head_dim, NormWeights* norm);

  // Some consecutive rows of a tensor that holds the matrices of several linear maps.
  struct Part {
    int64_t rows = 0;
    LinearWeights* linear = nullptr;
  };
  // <name>.weight is the parts, one below the other, and so is <name>.bias.
  absl::Status Fused(std::string_view name, int64_t cols, std::span<const Part> parts, Bias bias);

  // InvalidArgument naming the first tensor that has not been used.
  absl::Status CheckAllUsed(std::string_view architecture) const;

 private:
  // dims: as in the file, contiguous dimension first.
  absl::Status Tensor(const std::string& name, std::initializer_list<int64_t> dims,
                      WeightView* view);
  absl::Status CheckRuns(const std::string& name) const;
  absl::Status CheckF32(const std::string& name) const;

  const KeyReader& keys_;
  const GgufFile& file_;
  std::string prefix_;
  std::unordered_set<std::string_view> used_;
};

}  // namespace waferline::model
