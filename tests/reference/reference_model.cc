#include "tests/reference/reference_model.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "wafer_backend/base/check.h"

namespace waferline::reference {
namespace {

using Row = std::vector<double>;

Matrix ReadMatrix(const model::GgufFile& file, const std::string& name) {
  const model::GgufTensor* tensor = file.FindTensor(name);
  WL_CHECK(tensor != nullptr);
  return {tensor->rows(), tensor->cols(), Decode(*tensor)};
}

// Empty if the model has no such vector.
Row ReadVector(const model::GgufFile& file, const std::string& name) {
  const model::GgufTensor* tensor = file.FindTensor(name);
  return tensor == nullptr ? Row() : Decode(*tensor);
}

void Add(const Row& x, Row* y) {
  for (size_t i = 0; i < x.size(); ++i) (*y)[i] += x[i];
}

// To the nearest value of IEEE 754 binary16, ties to even.
double ToHalf(double x) {
  if (x == 0) return 0;
  int exponent = 0;
  std::frexp(x, &exponent);  // |x| in [2^(exponent-1), 2^exponent)
  const double step = std::ldexp(1, std::max(exponent - 1, -14) - 10);
  return std::nearbyint(x / step) * step;
}

}  // namespace

Row Matrix::Times(const Row& x) const {
  Row y(rows);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) y[r] += values[r * cols + c] * x[c];
  }
  return y;
}

ReferenceModel::ReferenceModel(const model::GgufFile& file, Options options) : options_(options) {
  auto shape = model::ModelShape::FromGguf(file);
  WL_CHECK(shape.ok());
  shape_ = *shape;
  embedding_ = ReadMatrix(file, "token_embd.weight");
  head_ = file.FindTensor("output.weight") ? ReadMatrix(file, "output.weight") : embedding_;
  output_norm_ = ReadVector(file, "output_norm.weight");
  for (int64_t i = 0; i < shape_.layers; ++i) {
    const std::string at = "blk." + std::to_string(i) + ".";
    Layer layer;
    layer.q = ReadMatrix(file, at + "attn_q.weight");
    layer.k = ReadMatrix(file, at + "attn_k.weight");
    layer.v = ReadMatrix(file, at + "attn_v.weight");
    layer.output = ReadMatrix(file, at + "attn_output.weight");
    layer.gate = ReadMatrix(file, at + "ffn_gate.weight");
    layer.up = ReadMatrix(file, at + "ffn_up.weight");
    layer.down = ReadMatrix(file, at + "ffn_down.weight");
    layer.attention_norm = ReadVector(file, at + "attn_norm.weight");
    layer.ffn_norm = ReadVector(file, at + "ffn_norm.weight");
    layer.q_bias = ReadVector(file, at + "attn_q.bias");
    layer.k_bias = ReadVector(file, at + "attn_k.bias");
    layer.v_bias = ReadVector(file, at + "attn_v.bias");
    layer.q_norm = ReadVector(file, at + "attn_q_norm.weight");
    layer.k_norm = ReadVector(file, at + "attn_k_norm.weight");
    layers_.push_back(std::move(layer));
  }
}

Row ReferenceModel::Normed(const Row& x, const Row& weight) const {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + shape_.norm_epsilon);
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * weight[i];
  return y;
}

void ReferenceModel::NormHeads(const Row& weight, Row* row) const {
  if (weight.empty()) return;
  for (size_t at = 0; at < row->size(); at += shape_.head_dim) {
    const auto head = row->begin() + static_cast<ptrdiff_t>(at);
    const Row normed = Normed(Row(head, head + shape_.head_dim), weight);
    std::copy(normed.begin(), normed.end(), head);
  }
}

void ReferenceModel::Rotate(int64_t position, Row* row) const {
  const int64_t pairs = shape_.head_dim / 2;
  for (size_t head = 0; head < row->size(); head += shape_.head_dim) {
    for (int64_t i = 0; i < pairs; ++i) {
      double angle = static_cast<double>(position) / shape_.rope_linear_factor *
                     std::pow(shape_.rope_theta,
                              -2.0 * static_cast<double>(i) / static_cast<double>(shape_.head_dim));
      if (!shape_.rope_frequency_factors.empty()) angle /= shape_.rope_frequency_factors[i];
      const bool neighbours = shape_.rope_kind == model::RopeKind::kNorm;
      double& a = (*row)[head + (neighbours ? 2 * i : i)];
      double& b = (*row)[head + (neighbours ? 2 * i + 1 : i + pairs)];
      const double x = a, y = b;
      a = x * std::cos(angle) - y * std::sin(angle);
      b = x * std::sin(angle) + y * std::cos(angle);
    }
  }
}

Row ReferenceModel::Attend(const Row& q, const Rows& keys, const Rows& values) const {
  const int64_t dim = shape_.head_dim;
  Row out(q.size());
  for (int64_t head = 0; head < shape_.heads; ++head) {
    const int64_t kv = head / (shape_.heads / shape_.kv_heads) * dim;
    Row scores(keys.size());
    for (size_t t = 0; t < keys.size(); ++t) {
      for (int64_t i = 0; i < dim; ++i) scores[t] += q[head * dim + i] * keys[t][kv + i];
      scores[t] /= std::sqrt(static_cast<double>(dim));
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (double& score : scores) sum += score = std::exp(score - largest);
    for (size_t t = 0; t < keys.size(); ++t) {
      for (int64_t i = 0; i < dim; ++i) {
        out[head * dim + i] += scores[t] / sum * values[t][kv + i];
      }
    }
  }
  return out;
}

std::vector<Row> ReferenceModel::Logits(std::span<const TokenId> tokens) const {
  std::vector<Row> logits;
  std::vector<Rows> keys(layers_.size()), values(layers_.size());
  for (size_t position = 0; position < tokens.size(); ++position) {
    const int64_t hidden = embedding_.cols;
    const auto start = embedding_.values.begin() + tokens[position] * hidden;
    Row x(start, start + hidden);
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      Row normed = Normed(x, layer.attention_norm);
      Row q = layer.q.Times(normed), k = layer.k.Times(normed), v = layer.v.Times(normed);
      Add(layer.q_bias, &q);
      Add(layer.k_bias, &k);
      Add(layer.v_bias, &v);
      NormHeads(layer.q_norm, &q);
      NormHeads(layer.k_norm, &k);
      Rotate(static_cast<int64_t>(position), &q);
      Rotate(static_cast<int64_t>(position), &k);
      if (options_.half_kv) {
        std::transform(k.begin(), k.end(), k.begin(), ToHalf);
        std::transform(v.begin(), v.end(), v.begin(), ToHalf);
      }
      keys[i].push_back(std::move(k));
      values[i].push_back(std::move(v));
      Add(layer.output.Times(Attend(q, keys[i], values[i])), &x);
      normed = Normed(x, layer.ffn_norm);
      Row gate = layer.gate.Times(normed);
      const Row up = layer.up.Times(normed);
      for (size_t j = 0; j < gate.size(); ++j) gate[j] *= up[j] / (1 + std::exp(-gate[j]));
      Add(layer.down.Times(gate), &x);
    }
    logits.push_back(head_.Times(Normed(x, output_norm_)));
  }
  return logits;
}

}  // namespace waferline::reference
