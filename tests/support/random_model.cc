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

enum class HeadNorms { kNone, kSame, kOwn, kWholeRow };

// Which tensors the layers of an architecture have, and how they differ from llama's.
struct LayerParts {
  bool layer_norms = false;  // with biases, instead of RMS norms
  bool pre_norms = true;
  bool post_norms = false;
  HeadNorms head_norms = HeadNorms::kNone;
  bool fused_qkv = false;
  bool qkv_biases = false;
  bool gate = true;
  bool fused_gate = false;
  bool windows = false;                    // the keys may name a sliding window
  bool other_biases = false;               // of the attention's output and the feed-forward part
  bool ffn_norm_behind_attention = false;  // its name
  bool sinks = false;
  bool latent = false;
  bool experts = false;
  bool shared_expert = false;
  bool shared_gate = false;
  bool selection_bias = false;
  bool expert_biases = false;
};

const std::map<std::string, LayerParts> kFamilies = {
    {"deepseek2", {.latent = true, .experts = true, .shared_expert = true, .selection_bias = true}},
    {"gemma", {}},
    {"gemma2", {.post_norms = true, .windows = true}},
    {"gemma3", {.post_norms = true, .head_norms = HeadNorms::kSame, .windows = true}},
    {"glm4", {.post_norms = true, .qkv_biases = true, .fused_gate = true}},
    {"glm4moe",
     {.head_norms = HeadNorms::kSame,
      .qkv_biases = true,
      .ffn_norm_behind_attention = true,
      .experts = true,
      .shared_expert = true,
      .selection_bias = true}},
    {"gpt-oss",
     {.qkv_biases = true,
      .windows = true,
      .ffn_norm_behind_attention = true,
      .sinks = true,
      .experts = true,
      .expert_biases = true}},
    {"granite", {.windows = true}},
    {"granitemoe", {.experts = true, .shared_expert = true}},
    {"llama", {.windows = true}},
    {"llama4", {.experts = true, .shared_expert = true}},
    {"mistral", {.windows = true}},
    {"olmo2",
     {.pre_norms = false, .post_norms = true, .head_norms = HeadNorms::kWholeRow, .windows = true}},
    {"phi3", {.fused_qkv = true, .fused_gate = true, .windows = true}},
    {"qwen2", {.qkv_biases = true, .windows = true}},
    {"qwen2moe",
     {.qkv_biases = true,
      .windows = true,
      .experts = true,
      .shared_expert = true,
      .shared_gate = true}},
    {"qwen3", {.head_norms = HeadNorms::kSame, .windows = true}},
    {"qwen3moe", {.head_norms = HeadNorms::kSame, .windows = true, .experts = true}},
    {"smollm3", {.windows = true}},
    {"stablelm", {.layer_norms = true, .head_norms = HeadNorms::kOwn}},
    {"starcoder2",
     {.layer_norms = true,
      .qkv_biases = true,
      .gate = false,
      .windows = true,
      .other_biases = true}},
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
    Norm("output_norm", spec_.hidden);
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
    if (parts_.latent) {
      LatentKeys(prefix);
    } else {
      writer_.SetUint(prefix + "attention.head_count_kv", spec_.kv_heads);
      writer_.SetUint(prefix + "attention.key_length", spec_.head_dim);
      writer_.SetUint(prefix + "attention.value_length", spec_.head_dim);
    }
    writer_.SetFloat(prefix + (parts_.layer_norms ? "attention.layer_norm_epsilon"
                                                  : "attention.layer_norm_rms_epsilon"),
                     1e-5f);
    writer_.SetFloat(prefix + "rope.freq_base", spec_.rope_theta);
    writer_.SetUint(prefix + "rope.dimension_count", RotaryDims());
    if (parts_.windows && spec_.window > 0)
      writer_.SetUint(prefix + "attention.sliding_window", spec_.window);
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

  static constexpr int kPlain = 32, kTurning = 16, kValue = 24, kLatent = 64;

  // As newer files have them, where the two matrices are apart: lengths as attention sees them.
  void LatentKeys(const std::string& prefix) {
    const bool joint = spec_.joint_up;
    writer_.SetUint(prefix + "attention.head_count_kv", joint ? spec_.heads : 1);
    writer_.SetUint(prefix + "attention.key_length", kTurning + (joint ? kPlain : kLatent));
    writer_.SetUint(prefix + "attention.value_length", joint ? kValue : kLatent);
    if (!joint) {
      writer_.SetUint(prefix + "attention.key_length_mla", kTurning + kPlain);
      writer_.SetUint(prefix + "attention.value_length_mla", kValue);
    }
    writer_.SetUint(prefix + "attention.kv_lora_rank", kLatent);
    if (spec_.query_rank > 0) writer_.SetUint(prefix + "attention.q_lora_rank", spec_.query_rank);
    if (spec_.rope_yarn_factor != 1) {
      writer_.SetFloat(prefix + "rope.scaling.yarn_log_multiplier", 0.07f);
    }
    writer_.SetUint(prefix + "expert_gating_func", spec_.sigmoid_router ? 2 : 1);
    writer_.SetBool(prefix + "expert_weights_norm", spec_.sigmoid_router);
    writer_.SetFloat(prefix + "expert_weights_scale", 1.5f);
    writer_.SetUint(prefix + "expert_shared_count", 1);
  }

  void LatentLayer(const std::string& prefix) {
    const int heads = spec_.heads, hidden = spec_.hidden, q_width = heads * (kPlain + kTurning);
    if (spec_.query_rank > 0) {
      Matrix(prefix + "attn_q_a.weight", spec_.query_rank, hidden);
      Norm(prefix + "attn_q_a_norm", spec_.query_rank);
      Matrix(prefix + "attn_q_b.weight", q_width, spec_.query_rank);
    } else {
      Matrix(prefix + "attn_q.weight", q_width, hidden);
    }
    Matrix(prefix + "attn_kv_a_mqa.weight", kLatent + kTurning, hidden);
    Norm(prefix + "attn_kv_a_norm", kLatent);
    if (spec_.joint_up) {
      Matrix(prefix + "attn_kv_b.weight", heads * (kPlain + kValue), kLatent);
    } else {
      Matrix(prefix + "attn_k_b.weight", kLatent, kPlain, heads);
      Matrix(prefix + "attn_v_b.weight", kValue, kLatent, heads);
    }
    Matrix(prefix + "attn_output.weight", hidden, heads * kValue);
  }

  int RotaryDims() const {
    if (parts_.latent) return kTurning;
    return spec_.rotary_dims > 0 ? spec_.rotary_dims : spec_.head_dim;
  }

  // Numbers far from 1, so that a part which is left out shows.
  void FamilyKeys(const std::string& prefix) {
    if (spec_.architecture == "gemma2") {
      writer_.SetFloat(prefix + "attn_logit_softcapping", 1.5f);
      writer_.SetFloat(prefix + "final_logit_softcapping", 2);
    }
    if (spec_.architecture == "gemma3") writer_.SetFloat(prefix + "rope.freq_base_swa", 300);
    if (spec_.architecture == "stablelm") writer_.SetBool(prefix + "use_parallel_residual", true);
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
    } else if (parts_.shared_expert && !llama4 && !parts_.latent) {
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
    const bool same =
        spec_.architecture == "glm4moe" || parts_.latent || spec_.architecture == "llama4";
    return same ? spec_.expert_ffn : 2 * spec_.expert_ffn;
  }

  void FeedForward(const std::string& kind, int ffn) {
    const bool biases = parts_.other_biases;
    if (parts_.gate && !parts_.fused_gate) Linear("ffn_gate" + kind, ffn, spec_.hidden, biases);
    Linear("ffn_up" + kind, parts_.fused_gate ? 2 * ffn : ffn, spec_.hidden, biases);
    Linear("ffn_down" + kind, spec_.hidden, ffn, biases);
  }

  void ExpertLayer(const std::string& prefix) {
    const int ffn = spec_.expert_ffn, hidden = spec_.hidden, count = Experts();
    const auto small = [](double u) { return u - 0.5; };
    Matrix(prefix + "ffn_gate_inp.weight", count, hidden, 1, DType::kF32);
    ExpertMatrices(prefix + "ffn_gate", ffn, hidden, count);
    ExpertMatrices(prefix + "ffn_up", ffn, hidden, count);
    ExpertMatrices(prefix + "ffn_down", hidden, ffn, count);
    if (parts_.selection_bias && spec_.sigmoid_router) {
      Vector(prefix + "exp_probs_b.bias", count, small);
    }
    if (parts_.shared_expert) FeedForward("_shexp", SharedFfn());
    if (parts_.shared_gate) Vector(prefix + "ffn_gate_inp_shexp.weight", hidden, small);
    if (!parts_.expert_biases) return;
    Vector(prefix + "ffn_gate_inp.bias", count, small);
    Matrix(prefix + "ffn_gate_exps.bias", count, ffn, 1, DType::kF32);
    Matrix(prefix + "ffn_up_exps.bias", count, ffn, 1, DType::kF32);
    Matrix(prefix + "ffn_down_exps.bias", count, hidden, 1, DType::kF32);
    Vector(prefix + "attn_output.bias", hidden, small);
  }

  void Layer(int layer) {
    prefix_ = "blk." + std::to_string(layer) + ".";
    const int hidden = spec_.hidden;
    if (parts_.pre_norms) Norm(prefix_ + "attn_norm", hidden);
    Attention();
    if (parts_.sinks) {
      Vector(prefix_ + "attn_sinks.weight", spec_.heads, [](double u) { return u; });
    }
    if (parts_.post_norms) Norm(prefix_ + "post_attention_norm", hidden);
    if (parts_.pre_norms && !spec_.parallel_branches) {
      Norm(prefix_ + (parts_.ffn_norm_behind_attention ? "post_attention_norm" : "ffn_norm"),
           hidden);
    }
    if (HasExperts(layer)) {
      ExpertLayer(prefix_);
    } else {
      FeedForward("", spec_.ffn);
    }
    if (parts_.post_norms) Norm(prefix_ + "post_ffw_norm", hidden);
  }

  void Attention() {
    const int hidden = spec_.hidden;
    const int q_width = spec_.heads * spec_.head_dim;
    const int kv_width = spec_.kv_heads * spec_.head_dim;
    if (parts_.latent) return LatentLayer(prefix_);
    const bool biases = parts_.qkv_biases || spec_.qkv_biases;
    if (parts_.fused_qkv) {
      Linear("attn_qkv", q_width + 2 * kv_width, hidden, biases);
    } else {
      Linear("attn_q", q_width, hidden, biases);
      Linear("attn_k", kv_width, hidden, biases);
      Linear("attn_v", kv_width, hidden, biases);
    }
    Linear("attn_output", hidden, q_width, parts_.other_biases);
    HeadNorm("attn_q_norm", spec_.heads);
    HeadNorm("attn_k_norm", spec_.kv_heads);
  }

  void HeadNorm(const std::string& name, int heads) {
    const std::string weight = prefix_ + name + ".weight";
    const auto near_one = [](double u) { return 0.5 + u; };
    switch (parts_.head_norms) {
      case HeadNorms::kNone:
        return;
      case HeadNorms::kSame:
        return Vector(weight, spec_.head_dim, near_one);
      case HeadNorms::kWholeRow:
        return Vector(weight, heads * spec_.head_dim, near_one);
      case HeadNorms::kOwn:
        return Vector(weight, heads * spec_.head_dim, near_one, spec_.head_dim);
    }
  }

  void Linear(const std::string& name, int rows, int cols, bool bias) {
    Matrix(prefix_ + name + ".weight", rows, cols);
    if (bias) Bias(prefix_ + name, rows);
  }

  void Bias(const std::string& name, int size) {
    Vector(name + ".bias", size, [](double u) { return 0.4 * u - 0.2; });
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

  void ExpertMatrices(const std::string& name, int rows, int cols, int count) {
    if (!spec_.separate_experts) return Matrix(name + "_exps.weight", rows, cols, count);
    for (int e = 0; e < count; ++e) {
      Matrix(name + "." + std::to_string(e) + ".weight", rows, cols);
    }
  }

  template <typename FromUniform>
  void Vector(const std::string& name, int size, FromUniform from_uniform, int row_size = 0) {
    std::vector<float> values(size);
    for (float& value : values) value = static_cast<float>(from_uniform(numbers_.Uniform()));
    std::vector<uint64_t> dims = {static_cast<uint64_t>(size)};
    if (row_size > 0) dims = {static_cast<uint64_t>(row_size), dims[0] / row_size};
    writer_.AddTensor(name, static_cast<uint32_t>(DType::kF32), dims,
                      Quantize(DType::kF32, values));
  }

  void Norm(const std::string& name, int size) {
    Vector(name + ".weight", size, [](double u) { return 0.5 + u; });
    if (parts_.layer_norms) Bias(name, size);
  }

  const RandomModelSpec& spec_;
  const LayerParts parts_;
  std::string prefix_;  // of the layer's tensors
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
