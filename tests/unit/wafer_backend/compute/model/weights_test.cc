#include "wafer_backend/compute/model/weights.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "tests/support/quantize.h"
#include "tests/support/random_model.h"
#include "wafer_backend/compute/model/families/families.h"

namespace waferline::model {
namespace {

using test::RandomModelSpec;

std::string ErrorOf(const test::GgufWriter& writer) {
  auto file = GgufFile::FromBytes(writer.Bytes());
  if (!file.ok()) return std::string(file.status().message());
  auto weights = BindWeights(*file);
  return std::string(weights.status().message());
}

TEST_CASE("every architecture and dtype binds, and every byte of a matrix is accounted for") {
  const std::string architecture = GENERATE(from_range(test::ModelFamilies()));
  const auto dtype = GENERATE(kernels::DType::kF32, kernels::DType::kF16, kernels::DType::kBF16,
                              kernels::DType::kQ8_0, kernels::DType::kQ4_0);
  RandomModelSpec spec;
  spec.architecture = architecture;
  spec.dtype = dtype;
  spec.layers = 3;
  spec.version = GENERATE(2u, 3u);
  auto file = GgufFile::FromBytes(test::RandomModelBytes(spec));
  REQUIRE(file.ok());
  auto weights = BindWeights(*file);
  INFO(weights.status().message());
  REQUIRE(weights.ok());
  REQUIRE(weights->Runnable().ok());
  const ModelShape& shape = weights->shape;
  REQUIRE(shape.layers == 3);
  REQUIRE(shape.architecture == architecture);
  REQUIRE_FALSE(shape.tied_embeddings);

  Bytes bound = weights->token_embedding.size() + weights->output.size() +
                weights->output_norm.weight.size() + weights->output_norm.bias.size();
  for (const LayerWeights& layer : weights->layers) {
    bound += layer.size();
    if (layer.experts.present()) {
      const auto& down = layer.experts.down.matrices;
      REQUIRE(static_cast<int64_t>(down.size()) == shape.experts.router.experts);
      const int64_t elements = shape.hidden * shape.experts.ffn;
      REQUIRE(down.back().size() == kernels::BytesFor(dtype, elements));
    } else {
      REQUIRE(layer.down.matrix.size() == kernels::BytesFor(dtype, shape.hidden * shape.ffn));
    }
    const LinearWeights& keys = layer.latent.present() ? layer.latent.kv_down : layer.k;
    REQUIRE(keys.matrix.size() == kernels::BytesFor(dtype, shape.hidden * shape.kv_width()));
  }
  Bytes in_file;
  for (const GgufTensor& tensor : (*file)->tensors()) {
    in_file += Bytes(static_cast<int64_t>(tensor.bytes.size()));
  }
  REQUIRE(bound == in_file);
}

TEST_CASE("variants are seen in the file") {
  RandomModelSpec spec;
  spec.tied_embeddings = true;
  spec.qkv_biases = true;
  spec.rope_frequency_factors = true;
  spec.rope_linear_factor = 4;
  spec.head_dim = 32;  // heads * head_dim is not hidden
  auto weights = BindWeights(*GgufFile::FromBytes(test::RandomModelBytes(spec)));
  INFO(weights.status().message());
  REQUIRE(weights.ok());
  REQUIRE(weights->shape.tied_embeddings);
  REQUIRE(weights->output.bytes.data() == weights->token_embedding.bytes.data());
  REQUIRE(weights->layers[1].v.bias.present());
  REQUIRE(weights->shape.rotaries.at(0).factors.size() == 16);
  REQUIRE(weights->shape.rotaries.at(0).linear_factor == 4);
  REQUIRE(weights->shape.q_width() == 128);
}

TEST_CASE("a sliding window is the layers', not the context's") {
  RandomModelSpec spec;
  spec.window = 100;
  const auto shape = ReadShape(**GgufFile::FromBytes(test::RandomModelBytes(spec)));
  REQUIRE(shape.ok());
  REQUIRE(shape->context == 256);
  for (const LayerPlan& layer : shape->plan) REQUIRE(layer.window == 100);

  test::GgufWriter writer = test::RandomModel(spec);
  writer.SetRaw("llama.attention.sliding_window_pattern", 9,
                std::string("\x07\0\0\0\x02\0\0\0\0\0\0\0\x01\0", 14));  // bool [1, 0]
  const auto mixed = ReadShape(**GgufFile::FromBytes(writer.Bytes()));
  INFO(mixed.status().message());
  REQUIRE(mixed.ok());
  REQUIRE(mixed->plan[0].window == 100);
  REQUIRE(mixed->plan[1].window == 0);
}

TEST_CASE("rotary scaling without a type is linear, without a factor it is by one") {
  const auto factor = [](auto change) {
    test::GgufWriter writer = test::RandomModel({});
    change(writer);
    const auto shape = ReadShape(**GgufFile::FromBytes(writer.Bytes()));
    INFO(shape.status().message());
    REQUIRE(shape.ok());
    return shape->rotaries.at(0).linear_factor;
  };
  using Writer = test::GgufWriter;
  REQUIRE(factor([](Writer& w) { w.SetFloat("llama.rope.scaling.factor", 2); }) == 2);
  REQUIRE(factor([](Writer& w) { w.SetString("llama.rope.scaling.type", "linear"); }) == 1);
  REQUIRE(factor([](Writer& w) { w.SetFloat("llama.rope.scale_linear", 3); }) == 3);
  REQUIRE(factor([](Writer& w) {
            w.SetString("llama.rope.scaling.type", "none").SetFloat("llama.rope.scaling.factor", 2);
          }) == 1);
}

TEST_CASE("sizes may be arrays, one value a layer, if all are the same") {
  test::GgufWriter writer = test::RandomModel({});
  writer.Erase("llama.attention.head_count_kv").SetInts("llama.attention.head_count_kv", {2, 2});
  REQUIRE(ErrorOf(writer).empty());
  writer.Erase("llama.attention.head_count_kv").SetInts("llama.attention.head_count_kv", {2, 1});
  REQUIRE(ErrorOf(writer).find("llama.attention.head_count_kv") != std::string::npos);
}

TEST_CASE("what contradicts itself is refused by name") {
  const RandomModelSpec spec;
  const auto broken = [&spec](auto change) {
    test::GgufWriter writer = test::RandomModel(spec);
    change(writer);
    return ErrorOf(writer);
  };
  using Writer = test::GgufWriter;
  struct Case {
    std::string error;
    std::string named;
  };
  const std::vector<Case> cases = {
      {broken([](Writer& w) { w.SetString("general.architecture", "mamba"); }), "mamba"},
      {broken([](Writer& w) { w.Erase("general.architecture"); }), "general.architecture"},
      {broken([](Writer& w) { w.SetUint("llama.block_count", 3); }), "llama.block_count"},
      {broken([](Writer& w) { w.SetUint("llama.block_count", 1); }), "blk.1."},
      {broken([](Writer& w) { w.SetUint("llama.block_count", 4000000000u); }), "llama.block_count"},
      {broken([](Writer& w) { w.SetUint("llama.block_count", 100000); }), "llama.block_count"},
      {broken([](Writer& w) { w.SetUint("llama.embedding_length", 96); }), "token_embd.weight"},
      {broken([](Writer& w) { w.SetUint("llama.feed_forward_length", 64); }),
       "blk.0.ffn_gate.weight"},
      {broken([](Writer& w) { w.SetUint("llama.attention.head_count_kv", 3); }),
       "llama.attention.head_count_kv"},
      {broken([](Writer& w) { w.SetUint("llama.attention.head_count_kv", 4); }),
       "blk.0.attn_k.weight"},
      {broken([](Writer& w) { w.SetUint("llama.attention.head_count", 0); }),
       "llama.attention.head_count"},
      {broken([](Writer& w) { w.SetString("llama.attention.head_count", "4"); }),
       "llama.attention.head_count"},
      {broken([](Writer& w) { w.SetUint("llama.attention.value_length", 8); }),
       "llama.attention.value_length"},
      {broken([](Writer& w) {
         w.SetUint("llama.attention.key_length", 2048)
             .SetUint("llama.attention.value_length", 2048);
       }),
       "llama.attention.key_length"},
      {broken([](Writer& w) { w.SetUint("llama.rope.dimension_count", 18); }),
       "llama.rope.dimension_count"},
      {broken([](Writer& w) { w.SetUint("llama.rope.dimension_count", 7); }),
       "llama.rope.dimension_count"},
      {broken([](Writer& w) { w.SetString("llama.rope.scaling.type", "dynamic"); }), "dynamic"},
      {broken([](Writer& w) { w.SetString("llama.rope.scaling.type", "longrope"); }), "longrope"},
      {broken([](Writer& w) { w.SetString("llama.rope.scaling.type", "yarn"); }),
       "llama.rope.scaling.factor"},
      {broken([](Writer& w) { w.SetFloat("llama.rope.scaling.factor", 0); }),
       "llama.rope.scaling.factor"},
      {broken([](Writer& w) { w.SetFloat("llama.attention.clamp_kqv", 8); }),
       "llama.attention.clamp_kqv"},
      {broken([](Writer& w) { w.SetBool("llama.attention.sliding_window_pattern", true); }),
       "llama.attention.sliding_window_pattern"},
      {broken([](Writer& w) { w.SetFloat("llama.rope.freq_base", -1); }), "llama.rope.freq_base"},
      {broken([](Writer& w) { w.Erase("llama.attention.layer_norm_rms_epsilon"); }),
       "llama.attention.layer_norm_rms_epsilon"},
      {broken([](Writer& w) { w.SetUint("llama.expert_count", 8); }), "llama.expert_used_count"},
      {broken([](Writer& w) { w.SetStrings("tokenizer.ggml.tokens", {"a"}); }),
       "tokenizer.ggml.tokens"},
      {broken([](Writer& w) { w.EraseTensor("token_embd.weight"); }), "token_embd.weight"},
      {broken([](Writer& w) { w.EraseTensor("blk.1.ffn_up.weight"); }), "blk.1.ffn_up.weight"},
      {broken([](Writer& w) { w.AddTensor("blk.0.attn_rot_embd", 0, {64}, std::string(256, 0)); }),
       "blk.0.attn_rot_embd"},
      {broken([](Writer& w) { w.AddTensor("blk.0.attn_q.bias", 0, {63}, std::string(252, 0)); }),
       "blk.0.attn_q.bias"},
      {broken([](Writer& w) { w.SetString("general.architecture", "qwen2"); }),
       "qwen2.block_count"},
      {broken([](Writer& w) { w.AddTensor("rope_freqs.weight", 0, {7}, std::string(28, 1)); }),
       "rope_freqs.weight"},
      {broken([](Writer& w) { w.AddTensor("rope_freqs.weight", 0, {8}, std::string(32, 0)); }),
       "rope_freqs.weight"},
      {broken([](Writer& w) {
         w.EraseTensor("output_norm.weight")
             .AddTensor("output_norm.weight", 1, {64}, std::string(128, 0));
       }),
       "output_norm.weight"},
  };
  for (const Case& c : cases) {
    INFO("named: " << c.named << ", error: " << c.error);
    CHECK(c.error.find(c.named) != std::string::npos);
  }
}

TEST_CASE("experts that contradict themselves are refused by name") {
  RandomModelSpec spec;
  spec.architecture = "glm4moe";
  const auto broken = [&spec](auto change) {
    test::GgufWriter writer = test::RandomModel(spec);
    change(writer);
    return ErrorOf(writer);
  };
  using Writer = test::GgufWriter;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {broken([](Writer& w) { w.SetUint("glm4moe.expert_count", 9); }), "blk.0.ffn_gate_inp"},
      {broken([](Writer& w) { w.SetUint("glm4moe.expert_count", 100000); }),
       "glm4moe.expert_count"},
      {broken([](Writer& w) { w.SetUint("glm4moe.expert_used_count", 9); }),
       "chosen is 9, must be 1 to 8"},
      {broken([](Writer& w) { w.SetUint("glm4moe.expert_group_count", 3); }), "groups is 3"},
      {broken([](Writer& w) { w.SetUint("glm4moe.expert_gating_func", 7); }),
       "glm4moe.expert_gating_func"},
      {broken([](Writer& w) { w.SetUint("glm4moe.expert_shared_count", 1u << 28); }),
       "glm4moe.expert_shared_count"},
      {broken([](Writer& w) { w.SetUint("glm4moe.expert_feed_forward_length", 33); }),
       "blk.0.ffn_gate_exps.weight"},
      {broken([](Writer& w) { w.SetUint("glm4moe.leading_dense_block_count", 1); }),
       "blk.0.ffn_gate.weight"},
      {broken([](Writer& w) { w.SetUint("glm4moe.nextn_predict_layers", 2); }),
       "glm4moe.nextn_predict_layers"},
      {broken([](Writer& w) { w.EraseTensor("blk.1.ffn_up_exps.weight"); }),
       "blk.1.ffn_up_exps.weight"},
      {broken([](Writer& w) {
         w.AddTensor("blk.0.ffn_down_exps.bias", 0, {64, 7}, std::string(64 * 7 * 4, 0));
       }),
       "blk.0.ffn_down_exps.bias"},
  };
  for (const auto& [error, named] : cases) {
    INFO("named: " << named << ", error: " << error);
    CHECK(error.find(named) != std::string::npos);
  }
}

TEST_CASE("latent attention that contradicts itself is refused by name") {
  RandomModelSpec spec;
  spec.architecture = "deepseek2";
  const auto broken = [&spec](auto change) {
    test::GgufWriter writer = test::RandomModel(spec);
    change(writer);
    return ErrorOf(writer);
  };
  using Writer = test::GgufWriter;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {broken([](Writer& w) { w.SetUint("deepseek2.attention.key_length_mla", 16); }),
       "deepseek2.attention.key_length_mla"},
      {broken([](Writer& w) { w.SetUint("deepseek2.attention.value_length_mla", 10000); }),
       "blk.0.attn_v_b.weight"},
      {broken([](Writer& w) { w.SetUint("deepseek2.attention.kv_lora_rank", 96); }),
       "blk.0.attn_kv_a_mqa.weight"},
      {broken([](Writer& w) { w.Erase("deepseek2.attention.kv_lora_rank"); }),
       "deepseek2.attention.kv_lora_rank"},
      {broken([](Writer& w) { w.Erase("deepseek2.attention.q_lora_rank"); }),
       "blk.0.attn_q.weight"},
      {broken([](Writer& w) { w.EraseTensor("blk.1.attn_k_b.weight"); }), "blk.1.attn_k_b.weight"},
      {broken([](Writer& w) {
         w.AddTensor("blk.1.attn_kv_b.weight", 0, {64, 224}, std::string(64 * 224 * 4, 0));
       }),
       "blk.1.attn_k_b.weight"},
  };
  for (const auto& [error, named] : cases) {
    INFO("named: " << named << ", error: " << error);
    CHECK(error.find(named) != std::string::npos);
  }
}

TEST_CASE("layers that predict further tokens are left out") {
  RandomModelSpec spec;
  spec.architecture = "glm4moe";
  spec.layers = 3;
  test::GgufWriter writer = test::RandomModel(spec);
  writer.SetUint("glm4moe.nextn_predict_layers", 1);
  writer.AddTensor("blk.2.nextn.enorm.weight", 0, {64}, std::string(256, 0));
  auto weights = BindWeights(*GgufFile::FromBytes(writer.Bytes()));
  INFO(weights.status());
  REQUIRE(weights.ok());
  REQUIRE(weights->layers.size() == 2);
}

TEST_CASE("a dtype without kernels is named with its tensor; the file can still be listed") {
  test::GgufWriter writer = test::RandomModel({});
  writer.EraseTensor("blk.1.ffn_up.weight");
  writer.AddTensor("blk.1.ffn_up.weight", 16, {64, 128}, std::string(64, 0));
  auto file = GgufFile::FromBytes(writer.Bytes());
  REQUIRE(file.ok());
  REQUIRE((*file)->FindTensor("blk.1.ffn_up.weight")->TypeName() == "IQ2_XXS");
  const absl::Status status = BindWeights(*file).status();
  REQUIRE(status.code() == absl::StatusCode::kUnimplemented);
  REQUIRE(status.message().find("blk.1.ffn_up.weight") != std::string::npos);
  REQUIRE(status.message().find("IQ2_XXS") != std::string::npos);
}

TEST_CASE("K-quants are read as they lie in the file") {
  const auto dtype = GENERATE(kernels::DType::kQ4_K, kernels::DType::kQ5_K, kernels::DType::kQ6_K);
  RandomModelSpec spec;
  spec.hidden = 256;
  spec.layers = 1;
  test::GgufWriter writer = test::RandomModel(spec);
  const int64_t bytes = kernels::BytesFor(dtype, 256 * 128).count();
  writer.EraseTensor("blk.0.ffn_up.weight");
  writer.AddTensor("blk.0.ffn_up.weight", static_cast<uint32_t>(dtype), {256, 128},
                   std::string(bytes, 1));
  const auto weights = BindWeights(*GgufFile::FromBytes(writer.Bytes()));
  INFO(weights.status().message());
  REQUIRE(weights.ok());
  REQUIRE(weights->layers[0].up.matrix.dtype == dtype);
  REQUIRE(weights->layers[0].up.matrix.size() == Bytes(bytes));
  REQUIRE(weights->Runnable().ok() == kernels::RunnableStatus(dtype).ok());
}

TEST_CASE("the quantisers lose no more than their step") {
  std::vector<float> values(64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(0.7f * static_cast<float>(i));
  for (float value : values) {
    REQUIRE(std::fabs(test::FromF16(test::ToF16(value)) - value) <= 0x1p-12f);
    REQUIRE(std::fabs(test::FromBF16(test::ToBF16(value)) - value) <= 0x1p-9f);
  }
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = test::FromF16(static_cast<uint16_t>(bits));
    if (!std::isnan(value)) REQUIRE(test::ToF16(value) == bits);
  }
  const std::string q8 = test::Quantize(kernels::DType::kQ8_0, values);
  REQUIRE(q8.size() == 2 * 34);
  uint16_t scale;
  std::memcpy(&scale, q8.data(), 2);
  for (int i = 0; i < 32; ++i) {
    const float decoded = test::FromF16(scale) * static_cast<int8_t>(q8[2 + i]);
    REQUIRE(std::fabs(decoded - values[i]) <= 0.51f * test::FromF16(scale));
  }
}

}  // namespace
}  // namespace waferline::model
