#include "wafer_backend/compute/model/weights.h"

#include <string>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::model {
namespace {

using kernels::DType;

class Binder {
 public:
  explicit Binder(const GgufFile& file) : file_(file) {}

  absl::Status Matrix(WeightView& view, const std::string& name, int64_t rows, int64_t cols) {
    WL_RETURN_IF_ERROR(Tensor(view, name, 2, rows, cols));
    if (!file_.FindTensor(name)->dtype) {
      const absl::Status status = kernels::RunnableStatus(file_.FindTensor(name)->gguf_type);
      return absl::Status(status.code(),
                          absl::StrCat("tensor ", Quoted(name), ": ", status.message()));
    }
    return absl::OkStatus();
  }

  absl::Status Vector(WeightView& view, const std::string& name, int64_t size) {
    WL_RETURN_IF_ERROR(Tensor(view, name, 1, 1, size));
    const GgufTensor* tensor = file_.FindTensor(name);
    if (tensor->dtype == DType::kF32) return absl::OkStatus();
    return absl::UnimplementedError(absl::StrCat(
        "tensor ", Quoted(name), " is ", tensor->TypeName(), ", but norms and biases must be F32"));
  }

  void MarkUsed(std::string_view name) { used_.insert(name); }

  // A tensor that nothing reads means a variant of the model that would be computed wrongly.
  absl::Status CheckAllUsed(Architecture architecture) const {
    for (const GgufTensor& tensor : file_.tensors()) {
      if (used_.contains(tensor.name)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", Quoted(tensor.name), " is not part of a ",
                       Absl(Name(architecture)), " model with the layers that the metadata names"));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Tensor(WeightView& view, const std::string& name, int rank, int64_t rows,
                      int64_t cols) {
    const GgufTensor* tensor = file_.FindTensor(name);
    if (tensor == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(name), " is missing"));
    }
    if (tensor->rank != rank || tensor->cols() != cols || tensor->rows() != rows) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor ", Quoted(name), " has the shape ", tensor->ShapeText(),
          ", but the metadata calls for [", cols, rank == 2 ? absl::StrCat(", ", rows) : "", "]"));
    }
    view = {tensor->name, tensor->dtype.value_or(DType::kF32), rows, cols, tensor->bytes};
    used_.insert(tensor->name);
    return absl::OkStatus();
  }

  const GgufFile& file_;
  std::unordered_set<std::string_view> used_;
};

absl::Status BindLayer(Binder& binder, const ModelShape& shape, int64_t index,
                       LayerWeights& layer) {
  const auto name = [index](const char* part) { return absl::StrCat("blk.", index, ".", part); };
  WL_RETURN_IF_ERROR(binder.Vector(layer.attention_norm, name("attn_norm.weight"), shape.hidden));
  WL_RETURN_IF_ERROR(binder.Matrix(layer.q, name("attn_q.weight"), shape.q_width(), shape.hidden));
  WL_RETURN_IF_ERROR(binder.Matrix(layer.k, name("attn_k.weight"), shape.kv_width(), shape.hidden));
  WL_RETURN_IF_ERROR(binder.Matrix(layer.v, name("attn_v.weight"), shape.kv_width(), shape.hidden));
  if (shape.qkv_biases) {
    WL_RETURN_IF_ERROR(binder.Vector(layer.q_bias, name("attn_q.bias"), shape.q_width()));
    WL_RETURN_IF_ERROR(binder.Vector(layer.k_bias, name("attn_k.bias"), shape.kv_width()));
    WL_RETURN_IF_ERROR(binder.Vector(layer.v_bias, name("attn_v.bias"), shape.kv_width()));
  }
  if (shape.qk_norms) {
    WL_RETURN_IF_ERROR(binder.Vector(layer.q_norm, name("attn_q_norm.weight"), shape.head_dim));
    WL_RETURN_IF_ERROR(binder.Vector(layer.k_norm, name("attn_k_norm.weight"), shape.head_dim));
  }
  WL_RETURN_IF_ERROR(
      binder.Matrix(layer.output, name("attn_output.weight"), shape.hidden, shape.q_width()));
  WL_RETURN_IF_ERROR(binder.Vector(layer.ffn_norm, name("ffn_norm.weight"), shape.hidden));
  WL_RETURN_IF_ERROR(binder.Matrix(layer.gate, name("ffn_gate.weight"), shape.ffn, shape.hidden));
  WL_RETURN_IF_ERROR(binder.Matrix(layer.up, name("ffn_up.weight"), shape.ffn, shape.hidden));
  return binder.Matrix(layer.down, name("ffn_down.weight"), shape.hidden, shape.ffn);
}

}  // namespace

std::span<const float> WeightView::f32() const {
  WL_CHECK(dtype == DType::kF32);
  // Tensors start at multiples of the file's alignment, which is 8 at least.
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

Bytes LayerWeights::size() const {
  Bytes sum;
  for (const WeightView* view : {&attention_norm, &q, &k, &v, &q_bias, &k_bias, &v_bias, &q_norm,
                                 &k_norm, &output, &ffn_norm, &gate, &up, &down}) {
    sum += view->size();
  }
  return sum;
}

absl::StatusOr<ModelWeights> ModelWeights::Bind(std::shared_ptr<const GgufFile> file) {
  ModelWeights weights;
  WL_ASSIGN_OR_RETURN(weights.shape, ModelShape::FromGguf(*file));
  const ModelShape& shape = weights.shape;
  Binder binder(*file);
  WL_RETURN_IF_ERROR(
      binder.Matrix(weights.token_embedding, "token_embd.weight", shape.vocabulary, shape.hidden));
  weights.layers.resize(shape.layers);
  for (int64_t i = 0; i < shape.layers; ++i) {
    WL_RETURN_IF_ERROR(BindLayer(binder, shape, i, weights.layers[i]));
  }
  WL_RETURN_IF_ERROR(binder.Vector(weights.output_norm, "output_norm.weight", shape.hidden));
  if (shape.tied_embeddings) {
    weights.output = weights.token_embedding;
  } else {
    WL_RETURN_IF_ERROR(
        binder.Matrix(weights.output, "output.weight", shape.vocabulary, shape.hidden));
  }
  binder.MarkUsed("rope_freqs.weight");  // read by ModelShape
  WL_RETURN_IF_ERROR(binder.CheckAllUsed(shape.architecture));
  weights.file = std::move(file);
  return weights;
}

absl::Status ModelWeights::Runnable() const {
  const auto check = [](const WeightView& view) {
    const absl::Status status = kernels::RunnableStatus(view.dtype);
    if (status.ok()) return status;
    return absl::Status(status.code(),
                        absl::StrCat("tensor ", Quoted(view.name), ": ", status.message()));
  };
  WL_RETURN_IF_ERROR(check(token_embedding));
  for (const LayerWeights& layer : layers) {
    for (const WeightView* view :
         {&layer.q, &layer.k, &layer.v, &layer.output, &layer.gate, &layer.up, &layer.down}) {
      WL_RETURN_IF_ERROR(check(*view));
    }
  }
  return check(output);
}

}  // namespace waferline::model
