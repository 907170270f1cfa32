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

Row ReferenceModel::Linear::Of(const Row& x) const {
  Row y = matrix.Times(x);
  Add(bias, &y);
  return y;
}

ReferenceModel::ReferenceModel(const model::GgufFile& file, Options options)
    : options_(options), recipe_(RecipeOf(file)) {
  embedding_ = ReadMatrix(file, "token_embd.weight");
  head_ = file.FindTensor("output.weight") ? ReadMatrix(file, "output.weight") : embedding_;
  output_norm_ = ReadVector(file, "output_norm.weight");
  for (size_t i = 0; i < recipe_.layers.size(); ++i) {
    layers_.push_back(ReadLayer(file, "blk." + std::to_string(i) + "."));
  }
}

ReferenceModel::Linear ReferenceModel::ReadLinear(const model::GgufFile& file,
                                                  const std::string& name) const {
  return {ReadMatrix(file, name + ".weight"), ReadVector(file, name + ".bias")};
}

ReferenceModel::Layer ReferenceModel::ReadLayer(const model::GgufFile& file,
                                                const std::string& prefix) const {
  Layer layer;
  layer.attention_norm = ReadVector(file, prefix + "attn_norm.weight");
  layer.ffn_norm = ReadVector(file, prefix + "ffn_norm.weight");
  if (layer.ffn_norm.empty()) {  // gpt-oss, glm4moe
    layer.ffn_norm = ReadVector(file, prefix + "post_attention_norm.weight");
  }
  layer.q_norm = ReadVector(file, prefix + "attn_q_norm.weight");
  layer.k_norm = ReadVector(file, prefix + "attn_k_norm.weight");
  layer.q = ReadLinear(file, prefix + "attn_q");
  layer.k = ReadLinear(file, prefix + "attn_k");
  layer.v = ReadLinear(file, prefix + "attn_v");
  layer.output = ReadLinear(file, prefix + "attn_output");
  layer.sinks = ReadVector(file, prefix + "attn_sinks.weight");
  layer.router = ReadIfThere(file, prefix + "ffn_gate_inp");
  const std::string own = layer.router.matrix.rows > 0 ? "_shexp" : "";
  layer.gate = ReadIfThere(file, prefix + "ffn_gate" + own);
  layer.up = ReadIfThere(file, prefix + "ffn_up" + own);
  layer.down = ReadIfThere(file, prefix + "ffn_down" + own);
  if (layer.router.matrix.rows > 0) ReadExperts(file, prefix, &layer);
  return layer;
}

ReferenceModel::Linear ReferenceModel::ReadIfThere(const model::GgufFile& file,
                                                   const std::string& name) const {
  return file.FindTensor(name + ".weight") == nullptr ? Linear() : ReadLinear(file, name);
}

void ReferenceModel::ReadExperts(const model::GgufFile& file, const std::string& prefix,
                                 Layer* layer) const {
  const auto read = [&](const char* name) { return ReadVector(file, prefix + name); };
  ExpertsLayer& experts = layer->experts;
  experts.ffn = file.FindTensor(prefix + "ffn_down_exps.weight")->dims[0];
  experts.gate = read("ffn_gate_exps.weight");
  experts.up = read("ffn_up_exps.weight");
  experts.down = read("ffn_down_exps.weight");
  experts.gate_bias = read("ffn_gate_exps.bias");
  experts.up_bias = read("ffn_up_exps.bias");
  experts.down_bias = read("ffn_down_exps.bias");
  experts.selection_bias = read("exp_probs_b.bias");
  layer->shared_gate = read("ffn_gate_inp_shexp.weight");
}

Row ReferenceModel::Normed(const Row& x, const Row& weight) const {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + recipe_.epsilon);
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * weight[i];
  return y;
}

void ReferenceModel::NormHeads(const Row& weight, Row* row) const {
  if (weight.empty()) return;
  for (size_t at = 0; at < row->size(); at += recipe_.head_dim) {
    const auto head = row->begin() + static_cast<ptrdiff_t>(at);
    const Row normed = Normed(Row(head, head + recipe_.head_dim), weight);
    std::copy(normed.begin(), normed.end(), head);
  }
}

void ReferenceModel::Rotate(const RotaryRecipe& rotary, int64_t position, Row* row) const {
  const size_t pairs = rotary.frequencies.size();
  for (size_t head = 0; head < row->size(); head += recipe_.head_dim) {
    for (size_t i = 0; i < pairs; ++i) {
      const double angle = static_cast<double>(position) * rotary.frequencies[i];
      double& a = (*row)[head + (rotary.neighbours ? 2 * i : i)];
      double& b = (*row)[head + (rotary.neighbours ? 2 * i + 1 : i + pairs)];
      const double x = a, y = b;
      a = rotary.magnitude * (x * std::cos(angle) - y * std::sin(angle));
      b = rotary.magnitude * (x * std::sin(angle) + y * std::cos(angle));
    }
  }
}

Row ReferenceModel::Attend(const Row& q, const Rows& keys, const Rows& values, const Layer& layer,
                           const LayerRecipe& recipe) const {
  const int64_t dim = recipe_.head_dim;
  const size_t seen = static_cast<size_t>(recipe.window);
  size_t first = seen > 0 && keys.size() > seen ? keys.size() - seen : 0;
  if (recipe.chunk > 0) {
    const auto chunk = static_cast<size_t>(recipe.chunk);
    first = std::max(first, (keys.size() - 1) / chunk * chunk);
  }
  Row out(q.size());
  for (int64_t head = 0; head < recipe_.heads; ++head) {
    const int64_t kv = head / (recipe_.heads / recipe_.kv_heads) * dim;
    Row scores(keys.size(), -INFINITY);
    for (size_t t = first; t < keys.size(); ++t) {
      scores[t] = 0;
      for (int64_t i = 0; i < dim; ++i) scores[t] += q[head * dim + i] * keys[t][kv + i];
      scores[t] *= recipe_.attention_scale;
    }
    double largest = *std::max_element(scores.begin(), scores.end());
    if (!layer.sinks.empty()) largest = std::max(largest, layer.sinks[head]);
    double sum = layer.sinks.empty() ? 0 : std::exp(layer.sinks[head] - largest);
    for (double& score : scores) sum += score = std::exp(score - largest);
    for (size_t t = first; t < keys.size(); ++t) {
      for (int64_t i = 0; i < dim; ++i) {
        out[head * dim + i] += scores[t] / sum * values[t][kv + i];
      }
    }
  }
  return out;
}

Row ReferenceModel::FeedForward(const Layer& layer, const Row& x) const {
  Row y(x.size());
  if (layer.down.matrix.rows > 0) {
    Row inner = layer.gate.Of(x);
    const Row up = layer.up.Of(x);
    for (size_t j = 0; j < inner.size(); ++j) inner[j] *= up[j] / (1 + std::exp(-inner[j]));
    y = layer.down.Of(inner);
  }
  if (layer.router.matrix.rows == 0) return y;
  if (!layer.shared_gate.empty()) {
    double gate = 0;
    for (size_t i = 0; i < x.size(); ++i) gate += layer.shared_gate[i] * x[i];
    for (double& value : y) value /= 1 + std::exp(-gate);
  }
  Add(ExpertsOf(recipe_.experts, layer.experts, layer.router.Of(x), x), &y);
  return y;
}

void ReferenceModel::AddBranch(const Row& branch, Row* x) const {
  for (size_t i = 0; i < x->size(); ++i) (*x)[i] += recipe_.residual_scale * branch[i];
}

std::vector<Row> ReferenceModel::Logits(std::span<const TokenId> tokens) const {
  std::vector<Row> logits;
  std::vector<Rows> keys(layers_.size()), values(layers_.size());
  for (size_t position = 0; position < tokens.size(); ++position) {
    const int64_t hidden = embedding_.cols;
    const auto start = embedding_.values.begin() + tokens[position] * hidden;
    Row x(start, start + hidden);
    for (double& value : x) value *= recipe_.embedding_scale;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      const Row normed = Normed(x, layer.attention_norm);
      Row q = layer.q.Of(normed), k = layer.k.Of(normed), v = layer.v.Of(normed);
      const LayerRecipe& recipe = recipe_.layers[i];
      const Row ones(recipe.plain_head_norms ? recipe_.head_dim : 0, 1.0);
      NormHeads(recipe.plain_head_norms ? ones : layer.q_norm, &q);
      NormHeads(recipe.plain_head_norms ? ones : layer.k_norm, &k);
      if (recipe.query_growth) {
        const double steps = std::floor((static_cast<double>(position) + 1) / recipe_.growth_step);
        for (double& value : q) value *= 1 + recipe_.growth_scale * std::log(steps + 1);
      }
      const RotaryRecipe& rotary = recipe.rotary;
      Rotate(rotary, static_cast<int64_t>(position), &q);
      Rotate(rotary, static_cast<int64_t>(position), &k);
      if (options_.half_kv) {
        std::transform(k.begin(), k.end(), k.begin(), ToHalf);
        std::transform(v.begin(), v.end(), v.begin(), ToHalf);
      }
      keys[i].push_back(std::move(k));
      values[i].push_back(std::move(v));
      AddBranch(layer.output.Of(Attend(q, keys[i], values[i], layer, recipe)), &x);
      AddBranch(FeedForward(layer, Normed(x, layer.ffn_norm)), &x);
    }
    logits.push_back(head_.Times(Normed(x, output_norm_)));
    for (double& value : logits.back()) value *= recipe_.logit_scale;
  }
  return logits;
}

}  // namespace waferline::reference
