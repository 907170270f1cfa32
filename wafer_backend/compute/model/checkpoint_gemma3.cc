#include "wafer_backend/compute/model/checkpoint_gemma3.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/checkpoint_config.h"

namespace waferline::model {
namespace {

namespace json = boost::json;

// The largest model divides scores by the root of hidden / heads instead of its head size
// (families/gemma.cc).
constexpr int64_t kLayersOfLargest = 62;

// Every so many layers one sees everything: "sliding_window_pattern", or a list of all layers.
absl::Status ReadPattern(JsonFields& fields, int64_t layers, int64_t* every) {
  fields.Int("sliding_window_pattern", 1, layers, every);
  const json::array* types = fields.Array("layer_types", 4096);
  WL_RETURN_IF_ERROR(fields.status());
  if (types == nullptr) return absl::OkStatus();
  if (static_cast<int64_t>(types->size()) != layers) {
    return absl::InvalidArgumentError(absl::StrCat("layer_types has ", types->size(),
                                                   " entries, but there are ", layers, " layers"));
  }
  const auto is = [types](int64_t layer, std::string_view kind) {
    const json::value& type = (*types)[static_cast<size_t>(layer)];
    return type.is_string() && type.get_string() == kind;
  };
  *every = 1;
  while (*every <= layers && !is(*every - 1, "full_attention")) ++*every;
  for (int64_t i = 0; i < layers; ++i) {
    const bool full = (i + 1) % *every == 0;
    if (is(i, full ? "full_attention" : "sliding_attention")) continue;
    return absl::UnimplementedError(absl::StrCat(
        "layer_types[", i, "]: expected \"sliding_attention\", and at the end of each ", *every,
        " layers \"full_attention\""));
  }
  return absl::OkStatus();
}

// Newer files have an object for each kind of layer.
void ReadLocalBase(JsonFields& fields, double* base) {
  fields.Number("rope_local_base_freq", 1, 1e15, base);
  const json::object* ropes = fields.Object("rope_parameters");
  if (ropes == nullptr) return;
  JsonFields both(*ropes, "rope_parameters.");
  if (const json::object* local = both.Object("sliding_attention")) {
    JsonFields rope(*local, "rope_parameters.sliding_attention.");
    rope.Number("rope_theta", 1, 1e15, base);
    if (!rope.ok()) fields.Fail(rope.status());
  }
}

absl::Status ReadMore(JsonFields& fields, const CheckpointConfig& config, const HeadSizes& sizes,
                      ContentsBuilder& builder) {
  fields.Require({"sliding_window"});
  int64_t window = 0, every = 6;
  fields.Int("sliding_window", 1, int64_t{1} << 28, &window);
  WL_RETURN_IF_ERROR(ReadPattern(fields, config.layers, &every));
  double local_base = 10000, cap = 0, scalar = static_cast<double>(sizes.head_dim);
  bool both_ways = false;
  ReadLocalBase(fields, &local_base);
  fields.Number("final_logit_softcapping", 0, 1e6, &cap);
  fields.Number("query_pre_attn_scalar", 1e-3, 1e6, &scalar);
  fields.Bool("use_bidirectional_attention", &both_ways);
  WL_RETURN_IF_ERROR(fields.status());
  const bool largest = config.layers == kLayersOfLargest;
  const double expected =
      largest ? static_cast<double>(sizes.hidden) / static_cast<double>(config.heads)
              : static_cast<double>(sizes.head_dim);
  if (scalar != expected) {
    return absl::UnimplementedError(
        absl::StrCat("query_pre_attn_scalar is ", scalar, ", expected ", expected));
  }
  if (fields.Has("attn_logit_softcapping")) {
    return absl::UnimplementedError("attn_logit_softcapping: expected null");
  }
  if (both_ways) {
    return absl::UnimplementedError("use_bidirectional_attention is true, expected false");
  }
  builder.SetUint("gemma3.attention.sliding_window", static_cast<uint64_t>(window));
  builder.SetUint("gemma3.attention.sliding_window_pattern", static_cast<uint64_t>(every));
  builder.SetFloat("gemma3.rope.freq_base_swa", local_base);
  builder.SetFloat("gemma3.final_logit_softcapping", cap);
  return absl::OkStatus();
}

constexpr RenamedPart kParts[] = {{"post_attention_layernorm", "post_attention_norm"},
                                  {"pre_feedforward_layernorm", "ffn_norm"},
                                  {"post_feedforward_layernorm", "post_ffw_norm"}};

}  // namespace

const CheckpointFamily kGemma3Checkpoint = {.model_type = "gemma3_text",
                                            .architecture = "gemma3",
                                            .activation_field = "hidden_activation",
                                            .activation = "gelu_pytorch_tanh",
                                            .tied_embeddings = true,
                                            .added_to_norms = 1,
                                            .parts = kParts,
                                            .read = ReadMore};

}  // namespace waferline::model
