// The product's logits against the reference in doubles, for every family and dtype.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/reference/reference_model.h"
#include "tests/support/quantize.h"
#include "tests/unit/wafer_backend/compute/shard/shard_chain.h"

namespace waferline::shard {
namespace {

using kernels::DType;

// Error of the logits relative to their own spread, both as root mean squares.
//
// Where it comes from: in one product the rounding of the activations, e, spreads like random noise
// and stays e relative to the output; it enters the residual stream at each of the ~7 products of a
// layer and adds up like noise, so 4 layers give about e * sqrt(28) at most,
// and more layers grow as the root of their number.
//   F32       e = 2^-24 per addition, but keys and values are halves that may round the other way
//             than the reference's: 2^-11 sometimes
//   F16, BF16 e = 8e-5, of weights and activations (int16_form.h), and the same halves
//   others    int8 blocks of 32: step = largest / 127, noise step / sqrt(12); the largest of 32
//             normal numbers is about 2.1 times their spread: e = 2.1 / 127 / 3.46 = 0.5 %
// The last two leave room for the worst of 21 rows, and for what amplifies noise: scores, and norms
// of a branch's result. That the graph is right is what F32 says.
double ToleranceOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return 3e-4;
    case DType::kF16:
    case DType::kBF16:
      return 1e-3;
    default:
      return 0.08;
  }
}

double RelativeError(const std::vector<float>& got, const std::vector<double>& want) {
  double error = 0, size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += (got[i] - want[i]) * (got[i] - want[i]);
    size += want[i] * want[i];
  }
  return std::sqrt(error / size);
}

void Compare(const test::RandomModelSpec& spec, const test::GgufWriter& writer) {
  const auto opened = model::GgufFile::FromBytes(writer.Bytes(), "random model");
  REQUIRE(opened.ok());
  const auto file = *opened;
  const reference::ReferenceModel reference(*file, {});
  kernels::ThreadPool pool(2);
  ShardChain chain(file, 1, &pool);
  SeededStream random(spec.seed + 77);
  const auto tokens = RandomTokens(&random, 21, chain.shards()[0]->model().shape().vocabulary);
  chain.Open(0, static_cast<uint32_t>(tokens.size()));
  const auto want = reference.Logits(tokens);
  const auto got = chain.Chunk(0, 0, tokens);
  std::vector<double> errors;
  for (size_t i = 0; i < tokens.size(); ++i) errors.push_back(RelativeError(got[i], want[i]));
  std::sort(errors.begin(), errors.end());
  // Where activations are rounded, a token whose router is undecided between two experts may pass
  // the other one, and no bound holds for its row.
  const kernels::Router& router = chain.shards()[0]->model().shape().experts.router;
  const bool undecided =
      router.chosen < router.experts && ToleranceOf(spec.dtype) > ToleranceOf(DType::kF32);
  const double typical = errors[errors.size() / 2], worst = errors.back();
  INFO(spec.architecture << " " << kernels::Name(spec.dtype) << ": error " << typical
                         << ", at worst " << worst);
  const double tolerance = ToleranceOf(spec.dtype) * std::sqrt(spec.layers / 4.0);
  REQUIRE(typical < tolerance);
  if (!undecided) REQUIRE(worst < 2 * tolerance);
  REQUIRE(worst > 0);  // doubles and floats never agree exactly: this compares something
}

void Compare(const test::RandomModelSpec& spec) { Compare(spec, test::RandomModel(spec)); }

TEST_CASE("logits are the reference's, every family and dtype") {
  for (const std::string& architecture : test::ModelFamilies()) {
    for (const kernels::QuantTraits& type : kernels::kQuantTraits) {
      const DType dtype = type.dtype;
      test::RandomModelSpec spec;
      spec.architecture = architecture;
      spec.dtype = dtype;
      spec.layers = 4;
      spec.window = 7;
      if (type.super_blocks()) {
        spec.layers = 2;  // they are large
        spec.hidden = spec.ffn = spec.expert_ffn = 256;
        spec.heads = 16;
      }
      spec.seed = 11 + static_cast<uint64_t>(dtype);
      if (ToleranceOf(dtype) > ToleranceOf(DType::kF32)) spec.experts_used = 8;  // of 8
      Compare(spec);
    }
  }
}

TEST_CASE("logits are the reference's, every variant") {
  test::RandomModelSpec spec;
  SECTION("tied embeddings") { spec.tied_embeddings = true; }
  SECTION("biases on llama") { spec.qkv_biases = true; }
  SECTION("llama 3's frequency factors") { spec.rope_frequency_factors = true; }
  SECTION("linear rotary scaling, another base") {
    spec.rope_linear_factor = 4;
    spec.rope_theta = 500000;
  }
  SECTION("heads wider than the hidden size, no grouping") {
    spec.heads = 3;
    spec.kv_heads = 3;
    spec.head_dim = 32;
  }
  SECTION("half of each head turns, neighbours") { spec.rotary_dims = 8; }
  SECTION("half of each head turns, halves") {
    spec.architecture = "qwen3";
    spec.rotary_dims = 8;
  }
  SECTION("a window of a few positions") { spec.window = 5; }
  SECTION("a window of more than a page") { spec.window = 18; }
  SECTION("one key head for all") { spec.kv_heads = 1; }
  SECTION("Mixtral: llama with experts") { spec.experts = 6; }
  SECTION("YaRN") { spec.rope_yarn_factor = 4; }
  SECTION("gpt-oss: a window, YaRN between pairs") {
    spec.architecture = "gpt-oss";
    spec.rope_yarn_factor = 8;
    spec.window = 6;
  }
  SECTION("llama 4: chunks shorter than the prompt") {
    spec.architecture = "llama4";
    spec.window = 8;
    spec.layers = 4;
  }
  SECTION("latent attention, YaRN by the scores, groups") {
    spec.architecture = "deepseek2";
    spec.rope_yarn_factor = 4;
    spec.experts = 8;
    spec.experts_used = 3;
    spec.expert_groups = 4;
    spec.expert_groups_used = 2;
    spec.dense_layers = 1;
  }
  SECTION("latent attention of V2: older files, the best of a group ranks it") {
    spec.architecture = "deepseek2";
    spec.joint_up = true;
    spec.query_rank = 0;
    spec.sigmoid_router = false;
    spec.expert_groups = 2;
    spec.expert_groups_used = 1;
  }
  SECTION("groups of experts, dense layers first") {
    spec.architecture = "glm4moe";
    spec.experts = 12;
    spec.experts_used = 3;
    spec.expert_groups = 4;
    spec.expert_groups_used = 2;
    spec.dense_layers = 1;
    spec.layers = 3;
    spec.rotary_dims = 8;
  }
  SECTION("neox pairs with wide heads") {
    spec.architecture = "qwen3";
    spec.head_dim = 64;
    spec.vocabulary = test::VocabularyKind::kBytePairs;
  }
  SECTION("both branches read the same norm") {
    spec.architecture = "stablelm";
    spec.parallel_branches = true;
    spec.rotary_dims = 4;
  }
  SECTION("five windows for one layer without") {
    spec.architecture = "gemma3";
    spec.layers = 7;
    spec.window = 4;
    spec.rope_linear_factor = 8;
  }
  SECTION("half of each head turns, biases of a fused matrix") {
    spec.architecture = "phi3";
    spec.rotary_dims = 8;
    spec.qkv_biases = true;
  }
  SECTION("sizes that are not a multiple of a vector's") {
    spec.architecture = "starcoder2";
    spec.hidden = 40;
    spec.heads = 6;
    spec.kv_heads = 3;
    spec.head_dim = 10;
    spec.ffn = 52;
  }
  Compare(spec);
}

TEST_CASE("logits are the reference's, every rotary scaling") {
  test::RandomModelSpec spec;
  spec.context = 4096;
  const std::string family = GENERATE("llama", "qwen2", "phi3");
  spec.architecture = family;
  test::GgufWriter writer = test::RandomModel(spec);
  const auto set = [&](const char* type, float factor, uint32_t original) {
    writer.SetString(family + ".rope.scaling.type", type);
    writer.SetFloat(family + ".rope.scaling.factor", factor);
    writer.SetUint(family + ".rope.scaling.original_context_length", original);
  };
  const auto factors = [](float least) {
    std::vector<float> values(8);
    for (size_t i = 0; i < values.size(); ++i) values[i] = least + 0.7f * static_cast<float>(i);
    return test::Quantize(DType::kF32, values);
  };
  SECTION("linear") { set("linear", 4, 1024); }
  SECTION("yarn") { set("yarn", 4, 1024); }
  SECTION("yarn of a short context") { set("yarn", 64, 64); }
  SECTION("longrope") {
    const uint32_t original = GENERATE(1024, 8192);
    set("longrope", 4, original);
    writer.SetFloat(family + ".rope.scaling.attn_factor", 1.3f);
    writer.AddTensor("rope_factors_long.weight", 0, {8}, factors(2));
    writer.AddTensor("rope_factors_short.weight", 0, {8}, factors(1));
  }
  Compare(spec, writer);
}

}  // namespace
}  // namespace waferline::shard
