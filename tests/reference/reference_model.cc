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

double Capped(double x, double cap) { return cap > 0 ? cap * std::tanh(x / cap) : x; }

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
  output_norm_ = ReadNorm(file, "output_norm");
  for (size_t i = 0; i < recipe_.layers.size(); ++i) {
    layers_.push_back(ReadLayer(file, "blk." + std::to_string(i) + "."));
  }
}

ReferenceModel::Linear ReferenceModel::ReadLinear(const model::GgufFile& file,
                                                  const std::string& name) const {
  return {ReadMatrix(file, name + ".weight"), ReadVector(file, name + ".bias")};
}

ReferenceModel::Norm ReferenceModel::ReadNorm(const model::GgufFile& file,
                                              const std::string& name) const {
  const model::GgufTensor* tensor = file.FindTensor(name + ".weight");
  if (tensor == nullptr) return {};
  return {tensor->cols(), Decode(*tensor), ReadVector(file, name + ".bias")};
}

ReferenceModel::Layer ReferenceModel::ReadLayer(const model::GgufFile& file,
                                                const std::string& prefix) const {
  const auto linear = [&](const char* name) { return ReadLinear(file, prefix + name); };
  const auto norm = [&](const char* name) { return ReadNorm(file, prefix + name); };
  const auto has = [&](const char* name) { return file.FindTensor(prefix + name) != nullptr; };
  Layer layer;
  layer.attention_norm = norm("attn_norm");
  layer.q_norm = norm("attn_q_norm");
  layer.k_norm = norm("attn_k_norm");
  layer.attention_post_norm = norm("post_attention_norm");
  layer.ffn_norm = norm("ffn_norm");
  layer.sinks = ReadVector(file, prefix + "attn_sinks.weight");
  layer.ffn_post_norm = norm("post_ffw_norm");
  // gpt-oss and glm4moe: the name says where it is, not whose result it norms.
  const bool reads = layer.ffn_norm.weight.empty() && layer.ffn_post_norm.weight.empty();
  if (reads) std::swap(layer.ffn_norm, layer.attention_post_norm);
  if (has("attn_qkv.weight")) {
    const Linear all = linear("attn_qkv");
    const int64_t q = recipe_.heads * recipe_.head_dim, kv = recipe_.kv_heads * recipe_.head_dim;
    layer.q = all.Rows(0, q);
    layer.k = all.Rows(q, kv);
    layer.v = all.Rows(q + kv, kv);
  } else if (recipe_.latent.kv_rank > 0) {
    layer.latent = ReadLatentLayer(file, prefix, recipe_.latent, recipe_.heads);
  } else {
    layer.q = linear("attn_q");
    layer.k = linear("attn_k");
    layer.v = linear("attn_v");
  }
  layer.output = linear("attn_output");
  layer.router = ReadIfThere(file, prefix + "ffn_gate_inp");
  const std::string own = layer.router.matrix.rows > 0 ? "_shexp" : "";
  layer.gate = ReadIfThere(file, prefix + "ffn_gate" + own);
  layer.up = ReadIfThere(file, prefix + "ffn_up" + own);
  layer.down = ReadIfThere(file, prefix + "ffn_down" + own);
  const int64_t ffn = layer.down.matrix.cols;
  if (ffn > 0 && layer.up.matrix.rows == 2 * ffn) {
    layer.gate = layer.up.Rows(0, ffn);
    layer.up = layer.up.Rows(ffn, ffn);
  }
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

ReferenceModel::Linear ReferenceModel::Linear::Rows(int64_t first, int64_t count) const {
  Linear part;
  const auto at = [&](const Row& row, int64_t index) { return row.begin() + index; };
  part.matrix = {count, matrix.cols,
                 Row(at(matrix.values, first * matrix.cols),
                     at(matrix.values, (first + count) * matrix.cols))};
  if (!bias.empty()) part.bias = Row(at(bias, first), at(bias, first + count));
  return part;
}

Row ReferenceModel::Normed(const Row& x, const Norm& norm) const {
  if (norm.weight.empty()) return x;
  Row y = x;
  for (size_t at = 0; at < y.size(); at += norm.size) NormOnce(norm, at, &y);
  return y;
}

void ReferenceModel::NormOnce(const Norm& norm, size_t at, Row* row) const {
  const auto size = static_cast<double>(norm.size);
  double mean = 0, squares = 0;
  for (int64_t i = 0; i < norm.size; ++i) mean += (*row)[at + i] / size;
  if (!recipe_.layer_norms) mean = 0;
  for (int64_t i = 0; i < norm.size; ++i) squares += std::pow((*row)[at + i] - mean, 2);
  const double scale = 1 / std::sqrt(squares / size + recipe_.epsilon);
  const size_t weights = norm.weight.size() > static_cast<size_t>(norm.size) ? at : 0;
  for (int64_t i = 0; i < norm.size; ++i) {
    double& value = (*row)[at + i];
    value = (value - mean) * scale * norm.weight[weights + i];
    if (!norm.bias.empty()) value += norm.bias[i];
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
  const int64_t value_dim = recipe_.value_dim;
  Row out(static_cast<size_t>(recipe_.heads * value_dim));
  for (int64_t head = 0; head < recipe_.heads; ++head) {
    const int64_t kv_head = head / (recipe_.heads / recipe_.kv_heads), kv = kv_head * dim;
    Row scores(keys.size(), -INFINITY);
    for (size_t t = first; t < keys.size(); ++t) {
      scores[t] = 0;
      for (int64_t i = 0; i < dim; ++i) scores[t] += q[head * dim + i] * keys[t][kv + i];
      scores[t] = Capped(scores[t] * recipe_.attention_scale, recipe_.attention_cap);
    }
    double largest = *std::max_element(scores.begin(), scores.end());
    if (!layer.sinks.empty()) largest = std::max(largest, layer.sinks[head]);
    double sum = layer.sinks.empty() ? 0 : std::exp(layer.sinks[head] - largest);
    for (double& score : scores) sum += score = std::exp(score - largest);
    for (size_t t = first; t < keys.size(); ++t) {
      for (int64_t i = 0; i < value_dim; ++i) {
        out[head * value_dim + i] += scores[t] / sum * values[t][kv_head * value_dim + i];
      }
    }
  }
  return out;
}

Row ReferenceModel::FeedForward(const Layer& layer, const Row& x) const {
  Row y(x.size());
  if (layer.down.matrix.rows > 0) {
    Row inner = layer.up.Of(x);
    const Row gate = layer.gate.matrix.rows > 0 ? layer.gate.Of(x) : Row();
    for (size_t j = 0; j < inner.size(); ++j) {
      inner[j] = gate.empty() ? Activated(inner[j]) : inner[j] * Activated(gate[j]);
    }
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

double ReferenceModel::Activated(double x) const {
  if (!recipe_.gelu) return x / (1 + std::exp(-x));
  const double inner = std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1 + std::tanh(inner));
}

void ReferenceModel::AddBranch(const Row& branch, Row* x) const {
  for (size_t i = 0; i < x->size(); ++i) (*x)[i] += recipe_.residual_scale * branch[i];
}

LatentQkv ReferenceModel::LatentOf(const Layer& layer, const RotaryRecipe& rotary, int64_t position,
                                   const Row& x) const {
  return LatentQkvOf(recipe_.latent, layer.latent, x,
                     {.norm =
                          [this](const Row& row, const Row& weight) {
                            return Normed(row, {static_cast<int64_t>(row.size()), weight, {}});
                          },
                      .rotate = [&](Row* row) { Rotate(rotary, position, row); },
                      .store = [this](double v) { return options_.half_kv ? ToHalf(v) : v; }});
}

LatentQkv ReferenceModel::QkvOf(size_t index, int64_t position, const Row& normed) const {
  const Layer& layer = layers_[index];
  const LayerRecipe& recipe = recipe_.layers[index];
  const RotaryRecipe& rotary = recipe.rotary;
  if (recipe_.latent.kv_rank > 0) return LatentOf(layer, rotary, position, normed);
  const Norm plain{recipe_.head_dim, Row(recipe_.head_dim, 1.0), {}};
  Row q = Normed(layer.q.Of(normed), recipe.plain_head_norms ? plain : layer.q_norm);
  Row k = Normed(layer.k.Of(normed), recipe.plain_head_norms ? plain : layer.k_norm);
  Row v = layer.v.Of(normed);
  if (recipe.query_growth) {
    const double steps = std::floor((static_cast<double>(position) + 1) / recipe_.growth_step);
    for (double& value : q) value *= 1 + recipe_.growth_scale * std::log(steps + 1);
  }
  Rotate(rotary, position, &q);
  Rotate(rotary, position, &k);
  if (options_.half_kv) {
    std::transform(k.begin(), k.end(), k.begin(), ToHalf);
    std::transform(v.begin(), v.end(), v.begin(), ToHalf);
  }
  return {std::move(q), std::move(k), std::move(v)};
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
      const LayerRecipe& recipe = recipe_.layers[i];
      LatentQkv qkv = QkvOf(i, static_cast<int64_t>(position), normed);
      keys[i].push_back(std::move(qkv.k));
      values[i].push_back(std::move(qkv.v));
      const Row attended = Attend(qkv.q, keys[i], values[i], layer, recipe);
      AddBranch(Normed(layer.output.Of(attended), layer.attention_post_norm), &x);
      // Without a norm of its own it reads what attention read, if that was normed.
      const bool parallel = layer.ffn_norm.weight.empty() && !layer.attention_norm.weight.empty();
      const Row fed = FeedForward(layer, parallel ? normed : Normed(x, layer.ffn_norm));
      AddBranch(Normed(fed, layer.ffn_post_norm), &x);
    }
    logits.push_back(head_.Times(Normed(x, output_norm_)));
    for (double& value : logits.back()) {
      value = Capped(value * recipe_.logit_scale, recipe_.logit_cap);
    }
  }
  return logits;
}

}  // namespace waferline::reference
