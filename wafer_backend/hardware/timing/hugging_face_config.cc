// config.json of a model as Hugging Face's transformers writes it.
#include <boost/json.hpp>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/hardware/timing/model_shape_file.h"

namespace waferline::timing {
namespace {

namespace json = boost::json;

// Reads fields of one object; the first fault is kept.
class Fields {
 public:
  Fields(const std::string& name, const json::object& object) : name_(name), object_(object) {}

  bool Has(const char* field) const {
    const json::value* value = object_.if_contains(field);
    return value != nullptr && !value->is_null();
  }
  // The first of `names` that is there.
  int64_t Integer(std::initializer_list<const char*> names, int64_t otherwise = -1) {
    for (const char* name : names) {
      if (!Has(name)) continue;
      const json::value& value = object_.at(name);
      if (value.is_int64()) return value.get_int64();
      Fault(name, "must be a whole number");
      return 0;
    }
    if (otherwise < 0) Fault(*names.begin(), "is missing");
    return otherwise;
  }
  bool Flag(const char* name) const {
    const json::value* value = object_.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
  }
  std::string Text(const char* name) const {
    const json::value* value = object_.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
  }
  const json::array* List(const char* name) const {
    const json::value* value = object_.if_contains(name);
    return value != nullptr ? value->if_array() : nullptr;
  }
  void Fault(const char* field, const char* what) {
    if (status_.ok()) {
      status_ = absl::InvalidArgumentError(absl::StrCat(name_, ": ", field, ": ", what));
    }
  }
  const absl::Status& status() const { return status_; }

 private:
  const std::string& name_;
  const json::object& object_;
  absl::Status status_;
};

// Which names a family gives to its experts, and what it leaves unsaid.
void ReadExperts(Fields& in, ModelShape* shape) {
  Experts e;
  e.total = in.Integer({"n_routed_experts", "num_local_experts", "num_experts"}, 0);
  if (e.total <= 1) return;
  const std::string family = in.Text("model_type");
  e.active = in.Integer({"num_experts_per_tok", "experts_per_token"});
  e.shared = in.Integer({"n_shared_experts"}, family.rfind("llama4", 0) == 0 ? 1 : 0);
  e.width = in.Integer({"moe_intermediate_size", "intermediate_size"});
  e.first = in.Integer({"first_k_dense_replace"}, 0);
  e.every = in.Integer({"interleave_moe_layer_step", "moe_layer_freq", "decoder_sparse_step"}, 1);
  if (in.Has("intermediate_size_mlp")) shape->ffn = in.Integer({"intermediate_size_mlp"});
  shape->experts = e;
}

void ReadWindow(Fields& in, ModelShape* shape) {
  if (!in.Has("sliding_window") || (in.Has("use_sliding_window") && !in.Flag("use_sliding_window")))
    return;
  SlidingWindow window{in.Integer({"sliding_window"}), 1};
  if (const json::array* types = in.List("layer_types")) {
    // Our shapes say "every n-th from the first"; another pattern has no name here.
    const auto windowed = [&](size_t i) {
      return i < types->size() && (*types)[i].is_string() &&
             (*types)[i].get_string() == "sliding_attention";
    };
    int64_t every = 1;
    while (every < static_cast<int64_t>(types->size()) && !windowed(static_cast<size_t>(every))) {
      ++every;
    }
    bool any = false;
    for (size_t i = 0; i < types->size(); ++i) {
      any = any || windowed(i);
      if (windowed(i) != (static_cast<int64_t>(i) % every == 0) && windowed(0)) {
        in.Fault("layer_types", "only \"every n-th layer from the first slides\" is supported");
      }
    }
    if (!any) return;
    if (!windowed(0)) in.Fault("layer_types", "the first layer must slide, or none");
    window.every = every;
  }
  shape->window = window;
}

}  // namespace

absl::StatusOr<ModelShape> ParseHuggingFaceConfig(const std::string& name, std::string_view text) {
  json::error_code error;
  const json::value document = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(name, ": not JSON: ", error.message()));
  if (!document.is_object()) return absl::InvalidArgumentError(name + ": must be an object");
  const json::object* object = &document.get_object();
  if (const json::value* inner = object->if_contains("text_config")) {  // models that also see
    if (inner->is_object()) object = &inner->get_object();
  }
  Fields in(name, *object);
  ModelShape shape;
  shape.name = in.Text("_name_or_path").empty() ? name : in.Text("_name_or_path");
  shape.layers = in.Integer({"num_hidden_layers"});
  shape.hidden = in.Integer({"hidden_size"});
  shape.heads = in.Integer({"num_attention_heads"});
  shape.kv_heads = in.Integer({"num_key_value_heads"}, shape.heads > 0 ? shape.heads : 1);
  shape.ffn = in.Integer({"intermediate_size"});
  shape.vocab = in.Integer({"vocab_size"});
  shape.tied_embeddings = in.Flag("tie_word_embeddings");
  ReadExperts(in, &shape);
  ReadWindow(in, &shape);
  if (in.Has("kv_lora_rank")) {
    shape.latent = LatentKv{in.Integer({"kv_lora_rank"}), in.Integer({"qk_rope_head_dim"}),
                            in.Integer({"q_lora_rank"}), in.Integer({"qk_nope_head_dim"}),
                            in.Integer({"v_head_dim"})};
  }
  const int64_t heads = shape.heads > 0 ? shape.heads : 1;
  shape.head_dim = shape.latent.has_value()
                       ? shape.latent->plain_dim + shape.latent->rotary_dim
                       : in.Integer({"head_dim"}, shape.hidden > 0 ? shape.hidden / heads : 0);
  WL_RETURN_IF_ERROR(in.status());
  if (const absl::Status status = CheckShape(shape); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", status.message()));
  }
  return shape;
}

}  // namespace waferline::timing
