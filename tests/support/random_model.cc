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
  bool ffn_norm_behind_attention = false;  // its name
  bool sinks = false;
  bool experts = false;
  bool shared_expert = false;
  bool shared_gate = false;
  bool selection_bias = false;
  bool expert_biases = false;
};

const std::map<std::string, LayerParts> kFamilies = {
    {"glm4moe",
     {.qkv_biases = true,
      .head_norms = true,
      .ffn_norm_behind_attention = true,
      .experts = true,
      .shared_expert = true,
      .selection_bias = true}},
    {"gpt-oss",
     {.qkv_biases = true,
      .ffn_norm_behind_attention = true,
      .sinks = true,
      .experts = true,
      .expert_biases = true}},
    {"granite", {}},
    {"granitemoe", {.experts = true, .shared_expert = true}},
    {"llama", {}},
    {"llama4", {.experts = true, .shared_expert = true}},
    {"mistral", {}},
    {"qwen2", {.qkv_biases = true}},
    {"qwen2moe", {.qkv_biases = true, .experts = true, .shared_expert = true, .shared_gate = true}},
    {"qwen3", {.head_norms = true}},
    {"qwen3moe", {.head_norms = true, .experts = true}},
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
    if (spec_.rope_yarn_factor != 1) {
      writer_.SetString(prefix + "rope.scaling.type", "yarn");
      writer_.SetFloat(prefix + "rope.scaling.factor", spec_.rope_yarn_factor);
      writer_.SetUint(prefix + "rope.scaling.original_context_length", 64);
    }
    FamilyKeys(prefix);
    if (Experts() > 0) ExpertKeys(prefix);
    SetVocabulary(writer_, spec_.vocabulary, spec_.architecture);
    if (!spec_.chat_template.empty()) {
      writer_.SetString("tokenizer.chat_template", spec_.chat_template);
    }
  }

  int RotaryDims() const { return spec_.rotary_dims > 0 ? spec_.rotary_dims : spec_.head_dim; }

  // Numbers far from 1, so that a part which is left out shows.
  void FamilyKeys(const std::string& prefix) {
    if (spec_.architecture.starts_with("granite")) {
      writer_.SetFloat(prefix + "embedding_scale", 3);
      writer_.SetFloat(prefix + "residual_scale", 0.4f);
      writer_.SetFloat(prefix + "attention.scale", 0.6f);
      writer_.SetFloat(prefix + "logit_scale", 5);
    }
  }

  int Experts() const { return spec_.experts > 0 ? spec_.experts : parts_.experts ? 8 : 0; }
  bool HasExperts(int layer) const {
    if (spec_.architecture == "llama4" && layer % 2 == 0) return false;
    return Experts() > 0 && layer >= spec_.dense_layers;
  }

  void ExpertKeys(const std::string& prefix) {
    const bool llama4 = spec_.architecture == "llama4";
    writer_.SetUint(prefix + "expert_count", Experts());
    writer_.SetUint(prefix + "expert_used_count", llama4 ? 1 : spec_.experts_used);
    writer_.SetUint(prefix + "expert_feed_forward_length", spec_.expert_ffn);
    if (spec_.dense_layers > 0) {
      writer_.SetUint(prefix + "leading_dense_block_count", spec_.dense_layers);
    }
    if (spec_.expert_groups > 1) {
      writer_.SetUint(prefix + "expert_group_count", spec_.expert_groups);
      writer_.SetUint(prefix + "expert_group_used_count", spec_.expert_groups_used);
    }
    if (spec_.architecture == "glm4moe") {
      writer_.SetUint(prefix + "expert_shared_count", 1);
      writer_.SetFloat(prefix + "expert_weights_scale", 1.5f);
      writer_.SetUint(prefix + "expert_gating_func", 2);
      writer_.SetBool(prefix + "expert_weights_norm", true);
    } else if (parts_.shared_expert && !llama4) {
      writer_.SetUint(prefix + "expert_shared_feed_forward_length", SharedFfn());
    }
    if (llama4) {
      writer_.SetUint(prefix + "interleave_moe_layer_step", 2);
      writer_.SetUint(prefix + "attention.temperature_length", 5);
      writer_.SetFloat(prefix + "attention.temperature_scale", 0.7f);
    }
  }
  // Another width than the experts', where files name it.
  int SharedFfn() const {
    const bool same = spec_.architecture == "glm4moe" || spec_.architecture == "llama4";
    return same ? spec_.expert_ffn : 2 * spec_.expert_ffn;
  }

  void FeedForward(const std::string& prefix, const std::string& kind, int ffn) {
    Matrix(prefix + "ffn_gate" + kind + ".weight", ffn, spec_.hidden);
    Matrix(prefix + "ffn_up" + kind + ".weight", ffn, spec_.hidden);
    Matrix(prefix + "ffn_down" + kind + ".weight", spec_.hidden, ffn);
  }

  void ExpertLayer(const std::string& prefix) {
    const int ffn = spec_.expert_ffn, hidden = spec_.hidden, count = Experts();
    const auto small = [](double u) { return u - 0.5; };
    Matrix(prefix + "ffn_gate_inp.weight", count, hidden, 1, DType::kF32);
    Matrix(prefix + "ffn_gate_exps.weight", ffn, hidden, count);
    Matrix(prefix + "ffn_up_exps.weight", ffn, hidden, count);
    Matrix(prefix + "ffn_down_exps.weight", hidden, ffn, count);
    if (parts_.selection_bias) Vector(prefix + "exp_probs_b.bias", count, small);
    if (parts_.shared_expert) FeedForward(prefix, "_shexp", SharedFfn());
    if (parts_.shared_gate) Vector(prefix + "ffn_gate_inp_shexp.weight", hidden, small);
    if (!parts_.expert_biases) return;
    Vector(prefix + "ffn_gate_inp.bias", count, small);
    Matrix(prefix + "ffn_gate_exps.bias", count, ffn, 1, DType::kF32);
    Matrix(prefix + "ffn_up_exps.bias", count, ffn, 1, DType::kF32);
    Matrix(prefix + "ffn_down_exps.bias", count, hidden, 1, DType::kF32);
    Vector(prefix + "attn_output.bias", hidden, small);
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
    if (parts_.sinks) Vector(prefix + "attn_sinks.weight", spec_.heads, [](double u) { return u; });
    Norm(prefix + (parts_.ffn_norm_behind_attention ? "post_attention_norm" : "ffn_norm") +
             ".weight",
         spec_.hidden);
    if (HasExperts(layer)) {
      ExpertLayer(prefix);
    } else {
      FeedForward(prefix, "", spec_.ffn);
    }
  }

  void Matrix(const std::string& name, int rows, int cols) {
    Matrix(name, rows, cols, 1, spec_.dtype);
  }
  void Matrix(const std::string& name, int rows, int cols, int count) {
    Matrix(name, rows, cols, count, spec_.dtype);
  }
  // Uniform with variance 1 / cols, so that activations keep their size through the layers. `count`
  // more than 1: of so many experts.
  void Matrix(const std::string& name, int rows, int cols, int count, DType dtype) {
    const double bound = std::sqrt(3.0 / cols);
    std::vector<float> values(static_cast<size_t>(rows) * cols * count);
    for (float& value : values) {
      value = static_cast<float>(bound * (2 * numbers_.Uniform() - 1));
    }
    std::vector<uint64_t> dims = {static_cast<uint64_t>(cols), static_cast<uint64_t>(rows)};
    if (count > 1) dims.push_back(static_cast<uint64_t>(count));
    writer_.AddTensor(name, static_cast<uint32_t>(dtype), dims, Quantize(dtype, values));
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
