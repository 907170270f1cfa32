#include "wafer_backend/compute/model/families/tensor_binder.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::model {
namespace {

using kernels::DType;

std::string Joined(std::string_view a, std::string_view b) {
  return absl::StrCat(Absl(a), Absl(b));
}

}  // namespace

TensorBinder::TensorBinder(const KeyReader& keys)
    : keys_(keys), file_(keys.file()), used_(keys.tensors_read()) {}

void TensorBinder::EnterLayer(int64_t layer) { prefix_ = absl::StrCat("blk.", layer, "."); }

void TensorBinder::LeaveOutLayersAfter(int64_t layer) {
  for (const GgufTensor& tensor : file_.tensors()) {
    std::string_view name = tensor.name;
    int64_t of = -1;
    if (!name.starts_with("blk.")) continue;
    name.remove_prefix(4);
    const auto end = std::from_chars(name.data(), name.data() + name.size(), of);
    if (end.ec == std::errc() && of > layer) used_.insert(tensor.name);
  }
}

bool TensorBinder::Has(std::string_view name) const {
  return file_.FindTensor(Joined(prefix_, name)) != nullptr;
}

absl::Status TensorBinder::Tensor(const std::string& name, std::initializer_list<int64_t> dims,
                                  WeightView* view) {
  const GgufTensor* tensor = file_.FindTensor(name);
  if (tensor == nullptr) {
    const std::string layers =
        prefix_.empty() ? "" : absl::StrCat(" (", keys_.Key("block_count"), " counts its layer)");
    return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(name), " is missing", layers));
  }
  if (tensor->rank != static_cast<int>(dims.size()) ||
      !std::equal(dims.begin(), dims.end(), tensor->dims.begin())) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", Quoted(name), " has the shape ", tensor->ShapeText(),
                     ", but the metadata calls for [", absl::StrJoin(dims, ", "), "]"));
  }
  *view = {tensor->name, tensor->dtype.value_or(DType::kF32), tensor->rows(), tensor->cols(),
           tensor->bytes};
  used_.insert(tensor->name);
  return absl::OkStatus();
}

absl::Status TensorBinder::CheckRuns(const std::string& name) const {
  const GgufTensor* tensor = file_.FindTensor(name);
  if (tensor->dtype) return absl::OkStatus();
  const absl::Status status = kernels::RunnableStatus(tensor->gguf_type);
  return absl::Status(status.code(), absl::StrCat("tensor ", Quoted(name), ": ", status.message()));
}

absl::Status TensorBinder::CheckF32(const std::string& name) const {
  const GgufTensor* tensor = file_.FindTensor(name);
  if (tensor->dtype == DType::kF32) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("tensor ", Quoted(name), " is ", tensor->TypeName(),
                                               ", but norms and biases must be F32"));
}

absl::Status TensorBinder::Matrix(std::string_view name, int64_t rows, int64_t cols,
                                  WeightView* view) {
  const std::string full = Joined(prefix_, name);
  WL_RETURN_IF_ERROR(Tensor(full, {cols, rows}, view));
  return CheckRuns(full);
}

absl::Status TensorBinder::Vector(std::string_view name, int64_t size, WeightView* view) {
  const std::string full = Joined(prefix_, name);
  WL_RETURN_IF_ERROR(Tensor(full, {size}, view));
  return CheckF32(full);
}

absl::Status TensorBinder::Stacked(std::string_view name, const StackShape& shape,
                                   LinearWeights* linear) {
  const std::string weight = Joined(prefix_, Joined(name, ".weight"));
  WL_RETURN_IF_ERROR(Tensor(weight, {shape.cols, shape.rows, shape.count}, &linear->matrix));
  WL_RETURN_IF_ERROR(CheckRuns(weight));
  const std::string bias = Joined(prefix_, Joined(name, ".bias"));
  if (file_.FindTensor(bias) == nullptr) return absl::OkStatus();
  WL_RETURN_IF_ERROR(Tensor(bias, {shape.rows, shape.count}, &linear->bias));
  return CheckF32(bias);
}

absl::Status TensorBinder::Experts(std::string_view name, const StackShape& shape,
                                   ExpertMatrices* experts) {
  experts->matrices.resize(static_cast<size_t>(shape.count));
  if (Has(absl::StrCat(Absl(name), ".0.weight"))) {
    for (int64_t e = 0; e < shape.count; ++e) {
      const std::string one = absl::StrCat(Absl(name), ".", e, ".weight");
      WL_RETURN_IF_ERROR(Matrix(one, shape.rows, shape.cols, &experts->matrices[e]));
    }
    return absl::OkStatus();
  }
  LinearWeights all;
  WL_RETURN_IF_ERROR(Stacked(absl::StrCat(Absl(name), "_exps"), shape, &all));
  const size_t bytes = all.matrix.bytes.size() / static_cast<size_t>(shape.count);
  for (size_t e = 0; e < experts->matrices.size(); ++e) {
    experts->matrices[e] = all.matrix;
    experts->matrices[e].rows = shape.rows;
    experts->matrices[e].bytes = all.matrix.bytes.subspan(e * bytes, bytes);
  }
  experts->bias = all.bias;
  return absl::OkStatus();
}

absl::Status TensorBinder::Linear(std::string_view name, int64_t rows, int64_t cols,
                                  LinearWeights* linear, Bias bias) {
  WL_RETURN_IF_ERROR(Matrix(Joined(name, ".weight"), rows, cols, &linear->matrix));
  const std::string bias_name = Joined(name, ".bias");
  if (bias == Bias::kIfThere && !Has(bias_name)) return absl::OkStatus();
  return Vector(bias_name, rows, &linear->bias);
}

absl::Status TensorBinder::Norm(std::string_view name, int64_t size, NormWeights* norm) {
  WL_RETURN_IF_ERROR(Vector(Joined(name, ".weight"), size, &norm->weight));
  const std::string bias = Joined(name, ".bias");
  return Has(bias) ? Vector(bias, size, &norm->bias) : absl::OkStatus();
}

absl::Status TensorBinder::HeadNorms(std::string_view name, int64_t heads, int64_t head_dim,
                                     NormWeights* norm) {
  const std::string full = absl::StrCat(prefix_, Absl(name), ".weight");
  WL_RETURN_IF_ERROR(Tensor(full, {head_dim, heads}, &norm->weight));
  return CheckF32(full);
}

absl::Status TensorBinder::Fused(std::string_view name, int64_t cols, std::span<const Part> parts,
                                 Bias bias) {
  int64_t rows = 0;
  for (const Part& part : parts) rows += part.rows;
  LinearWeights whole;
  WL_RETURN_IF_ERROR(Linear(name, rows, cols, &whole, bias));
  const auto cut = [rows](const WeightView& view, int64_t first, int64_t count) {
    WeightView part = view;
    const size_t row_bytes = view.bytes.size() / static_cast<size_t>(rows);
    part.bytes = view.bytes.subspan(first * row_bytes, count * row_bytes);
    return part;
  };
  int64_t first = 0;
  for (const Part& part : parts) {
    part.linear->matrix = cut(whole.matrix, first, part.rows);
    part.linear->matrix.rows = part.rows;
    if (whole.bias.present()) {
      part.linear->bias = cut(whole.bias, first, part.rows);
      part.linear->bias.cols = part.rows;
    }
    first += part.rows;
  }
  return absl::OkStatus();
}

absl::Status TensorBinder::CheckAllUsed(std::string_view architecture) const {
  for (const GgufTensor& tensor : file_.tensors()) {
    if (used_.contains(tensor.name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", Quoted(tensor.name), " is not part of a ", Absl(architecture),
                     " model with the layers that the metadata names"));
  }
  return absl::OkStatus();
}

}  // namespace waferline::model
