#include "tests/reference/reference_recipe.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "tests/reference/reference_model.h"
#include "wafer_backend/base/check.h"

namespace waferline::reference {
namespace {

class Keys {
 public:
  explicit Keys(const model::GgufFile& file) : file_(file) {
    architecture = std::string(*file.metadata().String("general.architecture"));
  }
  double Number(const std::string& name, double otherwise) const {
    const std::string key = architecture + "." + name;
    const model::Metadata& metadata = file_.metadata();
    if (!metadata.Has(key)) return otherwise;
    if (const auto number = metadata.Uint(key); number.ok()) return static_cast<double>(*number);
    if (const auto flag = metadata.Bool(key); flag.ok()) return *flag ? 1 : 0;
    return *metadata.Float(key);
  }
  double Needed(const std::string& name) const {
    const double value = Number(name, -1);
    WL_CHECK(value >= 0);
    return value;
  }
  std::string Text(const std::string& name, const std::string& otherwise) const {
    return std::string(*file_.metadata().StringOr(architecture + "." + name, otherwise));
  }
  int64_t Count(const std::string& name, int64_t otherwise) const {
    return static_cast<int64_t>(Number(name, static_cast<double>(otherwise)));
  }
  const model::GgufFile& file() const { return file_; }

  std::string architecture;

 private:
  const model::GgufFile& file_;
};

RotaryRecipe RotaryOf(const Keys& keys, int64_t head_dim, bool neighbours) {
  RotaryRecipe rotary{.neighbours = neighbours};
  const int64_t dims = keys.Count("rope.dimension_count", head_dim);
  const double base = keys.Number("rope.freq_base", 10000);
  for (int64_t i = 0; i < dims / 2; ++i) {
    const double exponent = -2 * static_cast<double>(i) / static_cast<double>(dims);
    rotary.frequencies.push_back(std::pow(base, exponent));
  }
  rotary.magnitude = keys.Number("rope.scaling.attn_factor", 1);
  const std::string type = keys.Text("rope.scaling.type", "linear");
  if (type == "linear") {
    const double factor = keys.Number("rope.scaling.factor", 1);
    for (double& frequency : rotary.frequencies) frequency /= factor;
  }
  // One divisor a pair: Llama 3.1's scaling, worked out when the file was made, and LongRoPE (Ding
  // et al. 2024).
  const bool beyond =
      keys.Number("context_length", 0) > keys.Number("rope.scaling.original_context_length", 1e18);
  for (const char* name :
       {"rope_freqs.weight", beyond ? "rope_factors_long.weight" : "rope_factors_short.weight"}) {
    const auto* divisors = keys.file().FindTensor(name);
    if (divisors == nullptr) continue;
    const std::vector<double> values = Decode(*divisors);
    for (int64_t i = 0; i < dims / 2; ++i) rotary.frequencies[i] /= values[i];
  }
  return rotary;
}

// Peng et al. 2023, with the bounds in pairs as their code has them: rounded outwards, or (gpt-oss)
// not at all.
void Yarn(const Keys& keys, bool rounded, RotaryRecipe* rotary) {
  const double factor = keys.Needed("rope.scaling.factor");
  const double context = keys.Needed("rope.scaling.original_context_length");
  const double base = keys.Number("rope.freq_base", 10000);
  const auto dims = static_cast<double>(2 * rotary->frequencies.size());
  const double pi = std::acos(-1.0);
  const auto bound = [&](double turns) {
    return dims * std::log(context / (turns * 2 * pi)) / (2 * std::log(base));
  };
  double low = bound(keys.Number("rope.scaling.yarn_beta_fast", 32));
  double high = bound(keys.Number("rope.scaling.yarn_beta_slow", 1));
  if (rounded) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, dims - 1);
  for (size_t i = 0; i < rotary->frequencies.size(); ++i) {
    const auto pair = static_cast<double>(i);
    const double plain = std::pow(base, -2 * pair / dims);
    const double way = std::min(std::max((pair - low) / std::max(high - low, 0.001), 0.0), 1.0);
    rotary->frequencies[i] = plain / factor * way + plain * (1 - way);
  }
  rotary->magnitude *= 0.1 * std::log(factor) + 1;
}

// Families whose files have queries and keys in Hugging Face's order, which turns halves.
bool TurnsHalves(const std::string& architecture) {
  static const std::set<std::string> names = {
      "gemma",    "gemma2",   "gemma3",   "olmo2",      "phi3",    "qwen2",  "qwen3",
      "qwen2moe", "qwen3moe", "stablelm", "starcoder2", "gpt-oss", "glm4moe"};
  return names.contains(architecture);
}

// Every `global_every`-th layer sees everything.
void FreeFromWindow(size_t global_every, Recipe* recipe) {
  for (size_t i = 0; i < recipe->layers.size(); ++i) {
    if ((i + 1) % global_every == 0) recipe->layers[i].window = 0;
  }
}

// Gemma Team 2024: embeddings times sqrt(hidden), GELU of tanh.
void ReadGemma(const Keys& keys, Recipe* recipe) {
  recipe->embedding_scale = std::sqrt(keys.Needed("embedding_length"));
  recipe->gelu = true;
}

// Gemma Team: "Gemma 2", 2024: local and global layers in turn, soft caps.
void ReadGemma2(const Keys& keys, Recipe* recipe) {
  ReadGemma(keys, recipe);
  recipe->attention_cap = keys.Needed("attn_logit_softcapping");
  recipe->logit_cap = keys.Needed("final_logit_softcapping");
  FreeFromWindow(2, recipe);
}

// Gemma Team: "Gemma 3", 2025: five local layers for a global one; local layers keep their own,
// unscaled rotary base.
void ReadGemma3(const Keys& keys, Recipe* recipe) {
  ReadGemma(keys, recipe);
  FreeFromWindow(6, recipe);
  const double base = keys.Number("rope.freq_base_swa", 10000);
  for (LayerRecipe& layer : recipe->layers) {
    if (layer.window == 0) continue;
    const auto dims = static_cast<double>(2 * layer.rotary.frequencies.size());
    for (size_t i = 0; i < layer.rotary.frequencies.size(); ++i) {
      layer.rotary.frequencies[i] = std::pow(base, -2 * static_cast<double>(i) / dims);
    }
  }
}

// OLMo 3's configuration of this architecture: one layer in four sees everything.
void ReadOlmo2(const Keys&, Recipe* recipe) { FreeFromWindow(4, recipe); }

// Lozhkov et al. 2024, Bellagente et al. 2024: layer norms; GELU in StarCoder 2.
void ReadStarcoder2(const Keys&, Recipe* recipe) {
  recipe->layer_norms = true;
  recipe->gelu = true;
}
void ReadStablelm(const Keys&, Recipe* recipe) { recipe->layer_norms = true; }

// IBM: "Granite 3.0 language models", 2024, and its published configuration.
void ReadGranite(const Keys& keys, Recipe* recipe) {
  recipe->embedding_scale = keys.Needed("embedding_scale");
  recipe->residual_scale = keys.Needed("residual_scale");
  recipe->attention_scale = keys.Needed("attention.scale");
  recipe->logit_scale = 1 / keys.Needed("logit_scale");
}

// What all files with experts say of them.
void ReadExperts(const Keys& keys, Recipe* recipe) {
  ExpertsRecipe& experts = recipe->experts;
  experts.count = keys.Count("expert_count", 0);
  experts.used = keys.Count("expert_used_count", 0);
  experts.scale = keys.Number("expert_weights_scale", 1);
  experts.groups = keys.Count("expert_group_count", 1);
  experts.used_groups = keys.Count("expert_group_used_count", 1);
}

// Mixtral: weights are the softmax over the chosen logits. Also Qwen3's and Granite's.
void ReadMixtral(const Keys& keys, Recipe* recipe) {
  ReadExperts(keys, recipe);
  recipe->experts.normalise = true;
}

void ReadGraniteMoe(const Keys& keys, Recipe* recipe) {
  ReadGranite(keys, recipe);
  ReadMixtral(keys, recipe);
}

// gpt-oss' configuration: layer_types alternate, sliding_attention first.
void ReadGptOss(const Keys& keys, Recipe* recipe) {
  ReadMixtral(keys, recipe);
  recipe->experts.clamped = true;
  for (size_t i = 0; i < recipe->layers.size(); ++i) {
    if (i % 2 == 1) recipe->layers[i].window = 0;
  }
}

// DeepSeek-V3's choice: sigmoids, normalised, groups by their two best.
void ReadGlm4Moe(const Keys& keys, Recipe* recipe) {
  ReadMixtral(keys, recipe);
  recipe->experts.sigmoid = true;
  recipe->experts.two_rank_groups = true;
  recipe->layers.resize(recipe->layers.size() - keys.Count("nextn_predict_layers", 0));
}

// Llama 4's configuration: no_rope_layers is zero for every fourth layer, floor_scale, attn_scale.
void ReadLlama4(const Keys& keys, Recipe* recipe) {
  ReadExperts(keys, recipe);
  recipe->experts.sigmoid = true;
  recipe->experts.weigh_inputs = true;
  recipe->growth_scale = keys.Number("attention.temperature_scale", 0.1);
  recipe->growth_step = keys.Number("attention.temperature_length", 8192);
  for (size_t i = 0; i < recipe->layers.size(); ++i) {
    LayerRecipe& layer = recipe->layers[i];
    layer.window = 0;
    const bool turns = i % 4 != 3;
    layer.chunk = turns ? keys.Count("attention.sliding_window", 8192) : 0;
    layer.plain_head_norms = turns;
    layer.query_growth = !turns;
    if (!turns) layer.rotary.frequencies.clear();
  }
}

// DeepSeek-V2 and V3's configurations; the softmax scale is multiplied by the square of mscale, of
// which files hold a tenth.
void ReadDeepSeek2(const Keys& keys, Recipe* recipe) {
  ReadExperts(keys, recipe);
  recipe->experts.sigmoid = keys.Count("expert_gating_func", 1) == 2;
  recipe->experts.two_rank_groups = recipe->experts.sigmoid;
  recipe->experts.normalise = keys.Number("expert_weights_norm", 0) != 0;
  LatentRecipe& latent = recipe->latent;
  latent.kv_rank = keys.Count("attention.kv_lora_rank", 0);
  latent.query_rank = keys.Count("attention.q_lora_rank", 0);
  latent.rotary = keys.Count("rope.dimension_count", 0);
  recipe->head_dim = keys.Count("attention.key_length_mla", recipe->head_dim);
  latent.plain = recipe->head_dim - latent.rotary;
  latent.value = keys.Count("attention.value_length_mla", keys.Count("attention.value_length", 0));
  recipe->kv_heads = recipe->heads;
  recipe->value_dim = latent.value;
  recipe->attention_scale = 1 / std::sqrt(static_cast<double>(recipe->head_dim));
  const double tenth = keys.Number("rope.scaling.yarn_log_multiplier", 0);
  if (keys.Text("rope.scaling.type", "") != "yarn" || tenth == 0) return;
  const double mscale = tenth * std::log(keys.Needed("rope.scaling.factor")) + 1;
  recipe->attention_scale *= mscale * mscale;
  for (LayerRecipe& layer : recipe->layers) layer.rotary.magnitude = 1;
}

// SmolLM3's configuration: no_rope_layers is zero for every fourth layer.
void ReadSmolLm3(const Keys&, Recipe* recipe) {
  for (size_t i = 0; i < recipe->layers.size(); ++i) {
    if ((i + 1) % 4 == 0) recipe->layers[i].rotary.frequencies.clear();
  }
}

void Nothing(const Keys&, Recipe*) {}

const std::map<std::string, void (*)(const Keys&, Recipe*)> kFamilies = {
    {"deepseek2", ReadDeepSeek2}, {"gemma", ReadGemma},       {"gemma2", ReadGemma2},
    {"gemma3", ReadGemma3},       {"glm4", Nothing},          {"glm4moe", ReadGlm4Moe},
    {"gpt-oss", ReadGptOss},      {"granite", ReadGranite},   {"granitemoe", ReadGraniteMoe},
    {"llama", ReadMixtral},       {"llama4", ReadLlama4},     {"mistral", Nothing},
    {"olmo2", ReadOlmo2},         {"phi3", Nothing},          {"qwen2", Nothing},
    {"qwen2moe", ReadExperts},    {"qwen3", Nothing},         {"qwen3moe", ReadMixtral},
    {"smollm3", ReadSmolLm3},     {"stablelm", ReadStablelm}, {"starcoder2", ReadStarcoder2}};

}  // namespace

Recipe RecipeOf(const model::GgufFile& file) {
  const Keys keys(file);
  Recipe recipe;
  recipe.heads = keys.Count("attention.head_count", 0);
  recipe.kv_heads = keys.Count("attention.head_count_kv", recipe.heads);
  const int64_t hidden = keys.Count("embedding_length", 0);
  recipe.head_dim = keys.Count("attention.key_length", hidden / recipe.heads);
  recipe.value_dim = recipe.head_dim;
  recipe.epsilon = keys.Number("attention.layer_norm_rms_epsilon",
                               keys.Number("attention.layer_norm_epsilon", 0));
  recipe.attention_scale = 1 / std::sqrt(static_cast<double>(recipe.head_dim));
  LayerRecipe layer = {.rotary = RotaryOf(keys, recipe.head_dim, !TurnsHalves(keys.architecture)),
                       .window = keys.Count("attention.sliding_window", 0)};
  if (keys.Text("rope.scaling.type", "") == "yarn")
    Yarn(keys, keys.architecture != "gpt-oss", &layer.rotary);
  recipe.layers.assign(keys.Count("block_count", 0), layer);
  const auto family = kFamilies.find(keys.architecture);
  WL_CHECK(family != kFamilies.end());
  family->second(keys, &recipe);
  return recipe;
}

}  // namespace waferline::reference
