#include "tests/support/random_model.h"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tests/support/quantize.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::test {
namespace {

using kernels::DType;

// Which tensors the layers of an architecture have besides llama's.
struct LayerParts {
  bool qkv_biases = false;
  bool head_norms = false;
};

const std::map<std::string, LayerParts> kFamilies = {
    {"granite", {}},
    {"llama", {}},
    {"mistral", {}},
    {"qwen2", {.qkv_biases = true}},
    {"qwen3", {.head_norms = true}},
    {"smollm3", {}},
};

class Builder {
 public:
  explicit Builder(const RandomModelSpec& spec)
      : spec_(spec),
        parts_(kFamilies.at(spec.architecture)),
        writer_(spec.version),
        numbers_(spec.seed) {}

  GgufWriter Build() {
    Metadata();
    const int vocabulary = VocabularySize(spec_.vocabulary, spec_.architecture);
    Matrix("token_embd.weight", vocabulary, spec_.hidden);
    if (!spec_.tied_embeddings) Matrix("output.weight", vocabulary, spec_.hidden);
    Norm("output_norm.weight", spec_.hidden);
    if (spec_.rope_frequency_factors) {
      Vector("rope_freqs.weight", RotaryDims() / 2, [](double u) { return 1 + 7 * u; });
    }
    for (int layer = 0; layer < spec_.layers; ++layer) Layer(layer);
    return std::move(writer_);
  }

 private:
  void Metadata() {
    const std::string prefix = spec_.architecture + ".";
    writer_.SetString("general.architecture", spec_.architecture);
    writer_.SetString("general.name", "random " + spec_.architecture);
    writer_.SetUint(prefix + "block_count", spec_.layers);
    writer_.SetUint(prefix + "context_length", spec_.context);
    writer_.SetUint(prefix + "embedding_length", spec_.hidden);
    writer_.SetUint(prefix + "feed_forward_length", spec_.ffn);
    writer_.SetUint(prefix + "attention.head_count", spec_.heads);
    writer_.SetUint(prefix + "attention.head_count_kv", spec_.kv_heads);
    writer_.SetUint(prefix + "attention.key_length", spec_.head_dim);
    writer_.SetUint(prefix + "attention.value_length", spec_.head_dim);
    writer_.SetFloat(prefix + "attention.layer_norm_rms_epsilon", 1e-5f);
    writer_.SetFloat(prefix + "rope.freq_base", spec_.rope_theta);
    writer_.SetUint(prefix + "rope.dimension_count", RotaryDims());
    if (spec_.window > 0) writer_.SetUint(prefix + "attention.sliding_window", spec_.window);
    if (spec_.rope_linear_factor != 1) {
      writer_.SetString(prefix + "rope.scaling.type", "linear");
      writer_.SetFloat(prefix + "rope.scaling.factor", spec_.rope_linear_factor);
    }
    FamilyKeys(prefix);
    SetVocabulary(writer_, spec_.vocabulary, spec_.architecture);
    if (!spec_.chat_template.empty()) {
      writer_.SetString("tokenizer.chat_template", spec_.chat_template);
    }
  }

  int RotaryDims() const { return spec_.rotary_dims > 0 ? spec_.rotary_dims : spec_.head_dim; }

  // Numbers far from 1, so that a part which is left out shows.
  void FamilyKeys(const std::string& prefix) {
    if (spec_.architecture == "granite") {
      writer_.SetFloat(prefix + "embedding_scale", 3);
      writer_.SetFloat(prefix + "residual_scale", 0.4f);
      writer_.SetFloat(prefix + "attention.scale", 0.6f);
      writer_.SetFloat(prefix + "logit_scale", 5);
    }
  }

  void Layer(int layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    const int q_width = spec_.heads * spec_.head_dim;
    const int kv_width = spec_.kv_heads * spec_.head_dim;
    Norm(prefix + "attn_norm.weight", spec_.hidden);
    Matrix(prefix + "attn_q.weight", q_width, spec_.hidden);
    Matrix(prefix + "attn_k.weight", kv_width, spec_.hidden);
    Matrix(prefix + "attn_v.weight", kv_width, spec_.hidden);
    Matrix(prefix + "attn_output.weight", spec_.hidden, q_width);
    if (parts_.qkv_biases || spec_.qkv_biases) {
      const auto small = [](double u) { return 0.4 * u - 0.2; };
      Vector(prefix + "attn_q.bias", q_width, small);
      Vector(prefix + "attn_k.bias", kv_width, small);
      Vector(prefix + "attn_v.bias", kv_width, small);
    }
    if (parts_.head_norms) {
      Norm(prefix + "attn_q_norm.weight", spec_.head_dim);
      Norm(prefix + "attn_k_norm.weight", spec_.head_dim);
    }
    Norm(prefix + "ffn_norm.weight", spec_.hidden);
    Matrix(prefix + "ffn_gate.weight", spec_.ffn, spec_.hidden);
    Matrix(prefix + "ffn_up.weight", spec_.ffn, spec_.hidden);
    Matrix(prefix + "ffn_down.weight", spec_.hidden, spec_.ffn);
  }

  // Uniform with variance 1 / cols, so that activations keep their size through the layers.
  void Matrix(const std::string& name, int rows, int cols) {
    const double bound = std::sqrt(3.0 / cols);
    std::vector<float> values(static_cast<size_t>(rows) * cols);
    for (float& value : values) {
      value = static_cast<float>(bound * (2 * numbers_.Uniform() - 1));
    }
    writer_.AddTensor(name, static_cast<uint32_t>(spec_.dtype),
                      {static_cast<uint64_t>(cols), static_cast<uint64_t>(rows)},
                      Quantize(spec_.dtype, values));
  }

  template <typename FromUniform>
  void Vector(const std::string& name, int size, FromUniform from_uniform) {
    std::vector<float> values(size);
    for (float& value : values) value = static_cast<float>(from_uniform(numbers_.Uniform()));
    writer_.AddTensor(name, static_cast<uint32_t>(DType::kF32), {static_cast<uint64_t>(size)},
                      Quantize(DType::kF32, values));
  }

  void Norm(const std::string& name, int size) {
    Vector(name, size, [](double u) { return 0.5 + u; });
  }

  const RandomModelSpec& spec_;
  const LayerParts parts_;
  GgufWriter writer_;
  SeededStream numbers_;
};

}  // namespace

std::vector<std::string> ModelFamilies() {
  std::vector<std::string> names;
  for (const auto& [name, parts] : kFamilies) names.push_back(name);
  return names;
}

GgufWriter RandomModel(const RandomModelSpec& spec) { return Builder(spec).Build(); }

std::string RandomModelBytes(const RandomModelSpec& spec) { return RandomModel(spec).Bytes(); }

}  // namespace waferline::test
