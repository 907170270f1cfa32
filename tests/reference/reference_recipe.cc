#include "tests/reference/reference_recipe.h"

#include <cmath>
#include <map>
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
  const double factor = keys.Number("rope.scaling.factor", 1);
  for (int64_t i = 0; i < dims / 2; ++i) {
    const double exponent = -2 * static_cast<double>(i) / static_cast<double>(dims);
    rotary.frequencies.push_back(std::pow(base, exponent) / factor);
  }
  // Llama 3.1's scaling: one divisor a pair, worked out when the file was made.
  if (const auto* divisors = keys.file().FindTensor("rope_freqs.weight")) {
    const std::vector<double> values = Decode(*divisors);
    for (int64_t i = 0; i < dims / 2; ++i) rotary.frequencies[i] /= values[i];
  }
  return rotary;
}

// Families whose converters leave queries and keys in Hugging Face's order, which turns halves.
bool TurnsHalves(const std::string& architecture) {
  return architecture == "qwen2" || architecture == "qwen3";
}

// IBM: "Granite 3.0 language models", 2024, and its published configuration.
void ReadGranite(const Keys& keys, Recipe* recipe) {
  recipe->embedding_scale = keys.Needed("embedding_scale");
  recipe->residual_scale = keys.Needed("residual_scale");
  recipe->attention_scale = keys.Needed("attention.scale");
  recipe->logit_scale = 1 / keys.Needed("logit_scale");
}

// SmolLM3's configuration: no_rope_layers is zero for every fourth layer.
void ReadSmolLm3(const Keys&, Recipe* recipe) {
  for (size_t i = 0; i < recipe->layers.size(); ++i) {
    if ((i + 1) % 4 == 0) recipe->layers[i].rotary.frequencies.clear();
  }
}

void Nothing(const Keys&, Recipe*) {}

const std::map<std::string, void (*)(const Keys&, Recipe*)> kFamilies = {
    {"granite", ReadGranite}, {"llama", Nothing}, {"mistral", Nothing},
    {"qwen2", Nothing},       {"qwen3", Nothing}, {"smollm3", ReadSmolLm3}};

}  // namespace

Recipe RecipeOf(const model::GgufFile& file) {
  const Keys keys(file);
  Recipe recipe;
  recipe.heads = keys.Count("attention.head_count", 0);
  recipe.kv_heads = keys.Count("attention.head_count_kv", recipe.heads);
  const int64_t hidden = keys.Count("embedding_length", 0);
  recipe.head_dim = keys.Count("attention.key_length", hidden / recipe.heads);
  recipe.epsilon = keys.Needed("attention.layer_norm_rms_epsilon");
  recipe.attention_scale = 1 / std::sqrt(static_cast<double>(recipe.head_dim));
  const LayerRecipe layer = {
      .rotary = RotaryOf(keys, recipe.head_dim, !TurnsHalves(keys.architecture)),
      .window = keys.Count("attention.sliding_window", 0)};
  recipe.layers.assign(keys.Count("block_count", 0), layer);
  const auto family = kFamilies.find(keys.architecture);
  WL_CHECK(family != kFamilies.end());
  family->second(keys, &recipe);
  return recipe;
}

}  // namespace waferline::reference
