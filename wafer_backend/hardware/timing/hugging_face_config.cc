// config.json of a model as Hugging Face's transformers writes it.
#include <algorithm>
#include <boost/json.hpp>
#include <initializer_list>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"

namespace waferline::timing {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxSize = int64_t{1} << 40;  // CheckShape knows the real bounds
constexpr size_t kMaxNameBytes = 4096;
constexpr size_t kMaxLayers = 1 << 20;

// The first of `names` that is there; without `otherwise` one of them must be.
int64_t Integer(JsonFields& in, std::initializer_list<const char*> names, int64_t otherwise = -1) {
  for (const char* name : names) {
    if (!in.Has(name)) continue;
    int64_t value = 0;
    in.Int(name, 0, kMaxSize, &value);
    return value;
  }
  if (otherwise < 0) in.Fail(*names.begin(), "is missing");
  return otherwise;
}

bool Flag(JsonFields& in, const char* name) {
  bool value = false;
  in.Bool(name, &value);
  return value;
}

std::string Text(JsonFields& in, const char* name) {
  std::string value;
  in.Text(name, kMaxNameBytes, &value);
  return value;
}

// Which names a family gives to its experts, and what it leaves unsaid.
void ReadExperts(JsonFields& in, ModelSizes* shape) {
  Experts e;
  e.total = Integer(in, {"n_routed_experts", "num_local_experts", "num_experts"}, 0);
  if (e.total <= 1) return;
  const std::string family = Text(in, "model_type");
  e.active = Integer(in, {"num_experts_per_tok", "experts_per_token"});
  e.shared = Integer(in, {"n_shared_experts"}, family.rfind("llama4", 0) == 0 ? 1 : 0);
  e.width = Integer(in, {"moe_intermediate_size", "intermediate_size"});
  e.first = Integer(in, {"first_k_dense_replace"}, 0);
  e.every = Integer(in, {"interleave_moe_layer_step", "moe_layer_freq", "decoder_sparse_step"}, 1);
  if (in.Has("intermediate_size_mlp")) shape->ffn = Integer(in, {"intermediate_size_mlp"});
  shape->experts = e;
}

void ReadWindow(JsonFields& in, ModelSizes* shape) {
  if (!in.Has("sliding_window") ||
      (in.Has("use_sliding_window") && !Flag(in, "use_sliding_window")))
    return;
  SlidingWindow window{.positions = Integer(in, {"sliding_window"})};
  if (const json::array* types = in.Array("layer_types", kMaxLayers)) {
    std::vector<bool> windowed;
    for (const json::value& type : *types) {
      windowed.push_back(type.is_string() && type.get_string() == "sliding_attention");
    }
    if (std::find(windowed.begin(), windowed.end(), true) == windowed.end()) return;
    const std::optional<SlidingWindow> pattern = WindowOf(window.positions, windowed);
    if (!pattern.has_value()) {
      in.Fail("layer_types",
              "must let the first n of every m layers slide: no other pattern is supported");
      return;
    }
    window = *pattern;
  }
  shape->window = window;
}

}  // namespace

absl::StatusOr<ModelSizes> ParseHuggingFaceConfig(const std::string& name, std::string_view text) {
  json::error_code error;
  const json::value document = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(name, ": not JSON: ", error.message()));
  if (!document.is_object()) return absl::InvalidArgumentError(name + ": must be an object");
  const json::object* object = &document.get_object();
  if (const json::value* inner = object->if_contains("text_config")) {  // models that also see
    if (inner->is_object()) object = &inner->get_object();
  }
  JsonFields in(*object);
  ModelSizes shape;
  shape.name = Text(in, "_name_or_path").empty() ? name : Text(in, "_name_or_path");
  shape.layers = Integer(in, {"num_hidden_layers"});
  shape.hidden = Integer(in, {"hidden_size"});
  shape.heads = Integer(in, {"num_attention_heads"});
  shape.kv_heads = Integer(in, {"num_key_value_heads"}, shape.heads > 0 ? shape.heads : 1);
  shape.ffn = Integer(in, {"intermediate_size"});
  shape.vocab = Integer(in, {"vocab_size"});
  shape.tied_embeddings = Flag(in, "tie_word_embeddings");
  ReadExperts(in, &shape);
  ReadWindow(in, &shape);
  if (in.Has("kv_lora_rank")) {
    shape.latent = LatentKv{Integer(in, {"kv_lora_rank"}), Integer(in, {"qk_rope_head_dim"}),
                            Integer(in, {"q_lora_rank"}), Integer(in, {"qk_nope_head_dim"}),
                            Integer(in, {"v_head_dim"})};
  }
  const int64_t heads = shape.heads > 0 ? shape.heads : 1;
  shape.head_dim = shape.latent.has_value()
                       ? shape.latent->plain_dim + shape.latent->rotary_dim
                       : Integer(in, {"head_dim"}, shape.hidden > 0 ? shape.hidden / heads : 0);
  const absl::Status status = in.ok() ? CheckShape(shape) : in.status();
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", status.message()));
  }
  return shape;
}

}  // namespace waferline::timing
