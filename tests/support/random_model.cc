#include "tests/support/random_model.h"

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/quantize.h"
#include "tests/support/random_model_plan.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::test {
namespace {

using kernels::DType;
using Plan = RandomModelPlan;

class Builder {
 public:
  explicit Builder(const RandomModelSpec& spec)
      : plan_(spec), writer_(spec.version), numbers_(spec.seed) {}

  GgufWriter Build() {
    SetModelKeys(writer_, plan_);
    SetVocabulary(writer_, plan_.spec.vocabulary, plan_.spec.architecture);
    if (!plan_.spec.chat_template.empty()) {
      writer_.SetString("tokenizer.chat_template", plan_.spec.chat_template);
    }
    const int vocabulary = VocabularySize(plan_.spec.vocabulary, plan_.spec.architecture);
    Matrix("token_embd.weight", vocabulary, plan_.spec.hidden);
    if (!plan_.spec.tied_embeddings) Matrix("output.weight", vocabulary, plan_.spec.hidden);
    Norm("output_norm", plan_.spec.hidden);
    if (plan_.spec.rope_frequency_factors) {
      Vector("rope_freqs.weight", plan_.RotaryDims() / 2, [](double u) { return 1 + 7 * u; });
    }
    for (int layer = 0; layer < plan_.spec.layers; ++layer) Layer(layer);
    return std::move(writer_);
  }

 private:
  void LatentLayer(const std::string& prefix) {
    const int heads = plan_.spec.heads, hidden = plan_.spec.hidden,
              q_width = heads * (Plan::kPlain + Plan::kTurning);
    if (plan_.spec.query_rank > 0) {
      Matrix(prefix + "attn_q_a.weight", plan_.spec.query_rank, hidden);
      Norm(prefix + "attn_q_a_norm", plan_.spec.query_rank);
      Matrix(prefix + "attn_q_b.weight", q_width, plan_.spec.query_rank);
    } else {
      Matrix(prefix + "attn_q.weight", q_width, hidden);
    }
    Matrix(prefix + "attn_kv_a_mqa.weight", Plan::kLatent + Plan::kTurning, hidden);
    Norm(prefix + "attn_kv_a_norm", Plan::kLatent);
    if (plan_.spec.joint_up) {
      Matrix(prefix + "attn_kv_b.weight", heads * (Plan::kPlain + Plan::kValue), Plan::kLatent);
    } else {
      Matrix(prefix + "attn_k_b.weight", Plan::kLatent, Plan::kPlain, heads);
      Matrix(prefix + "attn_v_b.weight", Plan::kValue, Plan::kLatent, heads);
    }
    Matrix(prefix + "attn_output.weight", hidden, heads * Plan::kValue);
  }

  void FeedForward(const std::string& kind, int ffn) {
    const bool biases = plan_.parts.other_biases;
    if (plan_.parts.gate && !plan_.parts.fused_gate)
      Linear("ffn_gate" + kind, ffn, plan_.spec.hidden, biases);
    Linear("ffn_up" + kind, plan_.parts.fused_gate ? 2 * ffn : ffn, plan_.spec.hidden, biases);
    Linear("ffn_down" + kind, plan_.spec.hidden, ffn, biases);
  }

  void ExpertLayer(const std::string& prefix) {
    const int ffn = plan_.spec.expert_ffn, hidden = plan_.spec.hidden, count = plan_.Experts();
    const auto small = [](double u) { return u - 0.5; };
    Matrix(prefix + "ffn_gate_inp.weight", count, hidden, 1, DType::kF32);
    ExpertMatrices(prefix + "ffn_gate", ffn, hidden, count);
    ExpertMatrices(prefix + "ffn_up", ffn, hidden, count);
    ExpertMatrices(prefix + "ffn_down", hidden, ffn, count);
    if (plan_.parts.selection_bias && plan_.spec.sigmoid_router) {
      Vector(prefix + "exp_probs_b.bias", count, small);
    }
    if (plan_.parts.shared_expert) FeedForward("_shexp", plan_.SharedFfn());
    if (plan_.parts.shared_gate) Vector(prefix + "ffn_gate_inp_shexp.weight", hidden, small);
    if (!plan_.parts.expert_biases) return;
    Vector(prefix + "ffn_gate_inp.bias", count, small);
    Matrix(prefix + "ffn_gate_exps.bias", count, ffn, 1, DType::kF32);
    Matrix(prefix + "ffn_up_exps.bias", count, ffn, 1, DType::kF32);
    Matrix(prefix + "ffn_down_exps.bias", count, hidden, 1, DType::kF32);
    Vector(prefix + "attn_output.bias", hidden, small);
  }

  void Layer(int layer) {
    prefix_ = "blk." + std::to_string(layer) + ".";
    const int hidden = plan_.spec.hidden;
    if (plan_.parts.pre_norms) Norm(prefix_ + "attn_norm", hidden);
    Attention();
    if (plan_.parts.sinks) {
      Vector(prefix_ + "attn_sinks.weight", plan_.spec.heads, [](double u) { return u; });
    }
    if (plan_.parts.post_norms) Norm(prefix_ + "post_attention_norm", hidden);
    if (plan_.parts.pre_norms && !plan_.spec.parallel_branches) {
      Norm(prefix_ + (plan_.parts.ffn_norm_behind_attention ? "post_attention_norm" : "ffn_norm"),
           hidden);
    }
    if (plan_.HasExperts(layer)) {
      ExpertLayer(prefix_);
    } else {
      FeedForward("", plan_.spec.ffn);
    }
    if (plan_.parts.post_norms) Norm(prefix_ + "post_ffw_norm", hidden);
  }

  void Attention() {
    const int hidden = plan_.spec.hidden;
    const int q_width = plan_.spec.heads * plan_.spec.head_dim;
    const int kv_width = plan_.spec.kv_heads * plan_.spec.head_dim;
    if (plan_.parts.latent) return LatentLayer(prefix_);
    const bool biases = plan_.parts.qkv_biases || plan_.spec.qkv_biases;
    if (plan_.parts.fused_qkv) {
      Linear("attn_qkv", q_width + 2 * kv_width, hidden, biases);
    } else {
      Linear("attn_q", q_width, hidden, biases);
      Linear("attn_k", kv_width, hidden, biases);
      Linear("attn_v", kv_width, hidden, biases);
    }
    Linear("attn_output", hidden, q_width, plan_.parts.other_biases);
    HeadNorm("attn_q_norm", plan_.spec.heads);
    HeadNorm("attn_k_norm", plan_.spec.kv_heads);
  }

  void HeadNorm(const std::string& name, int heads) {
    const std::string weight = prefix_ + name + ".weight";
    const auto near_one = [](double u) { return 0.5 + u; };
    switch (plan_.parts.head_norms) {
      case HeadNorms::kNone:
        return;
      case HeadNorms::kSame:
        return Vector(weight, plan_.spec.head_dim, near_one);
      case HeadNorms::kWholeRow:
        return Vector(weight, heads * plan_.spec.head_dim, near_one);
      case HeadNorms::kOwn:
        return Vector(weight, heads * plan_.spec.head_dim, near_one, plan_.spec.head_dim);
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
    Matrix(name, rows, cols, 1, plan_.spec.dtype);
  }
  void Matrix(const std::string& name, int rows, int cols, int count) {
    Matrix(name, rows, cols, count, plan_.spec.dtype);
  }
  // Uniform with variance 1 / cols, so that activations keep their size through the layers. `count`
  // more than 1: of so many experts. Rows that are no whole blocks are Q8_0, as quantisers do it.
  void Matrix(const std::string& name, int rows, int cols, int count, DType dtype) {
    if (cols % kernels::BlockLength(dtype) != 0) dtype = DType::kQ8_0;
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
    if (!plan_.spec.separate_experts) return Matrix(name + "_exps.weight", rows, cols, count);
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
    if (plan_.parts.layer_norms) Bias(name, size);
  }

  const Plan plan_;
  std::string prefix_;  // of the layer's tensors
  GgufWriter writer_;
  SeededStream numbers_;
};

}  // namespace

GgufWriter RandomModel(const RandomModelSpec& spec) { return Builder(spec).Build(); }

std::string RandomModelBytes(const RandomModelSpec& spec) { return RandomModel(spec).Bytes(); }

}  // namespace waferline::test
