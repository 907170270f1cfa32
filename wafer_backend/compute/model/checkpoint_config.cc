#include "wafer_backend/compute/model/checkpoint_config.h"

#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::model {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxSize = int64_t{1} << 28;

// rope_scaling, or rope_parameters, where newer files have rope_theta too.
struct RopeConfig {
  double theta = 10000;
  std::string type = "default";
  double factor = 1;
  double low_frequency = 1;
  double high_frequency = 4;
  int64_t original_context = 8192;
};

class ConfigReader {
 public:
  ConfigReader(const json::object& config, ContentsBuilder& builder)
      : fields_(config), builder_(builder) {}

  absl::StatusOr<CheckpointConfig> Read() {
    WL_RETURN_IF_ERROR(ReadFamily());
    ReadSizes();
    ReadRope();
    out_.tied_embeddings = out_.family->tied_embeddings;
    fields_.Bool("tie_word_embeddings", &out_.tied_embeddings);
    ReadId("bos_token_id", out_.bos);
    ReadId("eos_token_id", out_.eos);
    WL_RETURN_IF_ERROR(fields_.status());
    WL_RETURN_IF_ERROR(SetRope());
    if (out_.family->read != nullptr) {
      WL_RETURN_IF_ERROR(out_.family->read(fields_, out_, {hidden_, head_dim_}, builder_));
    }
    return std::move(out_);
  }

 private:
  std::string Key(std::string_view name) const {
    return absl::StrCat(Absl(out_.family->architecture), ".", Absl(name));
  }

  absl::Status ReadFamily() {
    fields_.Require({"model_type"});
    std::string type;
    fields_.Text("model_type", 64, &type);
    WL_RETURN_IF_ERROR(fields_.status());
    WL_ASSIGN_OR_RETURN(out_.family, CheckpointFamilyOf(type));
    const std::string_view field = out_.family->activation_field;
    std::string activation(out_.family->activation);
    fields_.Text(field, 64, &activation);
    if (activation != out_.family->activation) {
      return absl::UnimplementedError(absl::StrCat(Absl(field), " is ", Quoted(activation),
                                                   ", expected ", Absl(out_.family->activation)));
    }
    bool window = false;
    fields_.Bool("use_sliding_window", &window);
    if (window) return absl::UnimplementedError("use_sliding_window is true, expected false");
    if (fields_.Has("quantization_config")) {
      return absl::UnimplementedError(
          "quantization_config: only unquantised weights (F32, F16, BF16) can be read");
    }
    builder_.SetString("general.architecture", std::string(out_.family->architecture));
    return fields_.status();
  }

  void ReadSizes() {
    fields_.Require({"num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
                     "max_position_embeddings", "vocab_size"});
    SetSize("num_hidden_layers", "block_count", out_.layers);
    SetSize("hidden_size", "embedding_length", hidden_);
    int64_t size = 0;
    SetSize("intermediate_size", "feed_forward_length", size);
    SetSize("max_position_embeddings", "context_length", size);
    SetSize("num_attention_heads", "attention.head_count", out_.heads);
    out_.kv_heads = out_.heads;
    SetSize("num_key_value_heads", "attention.head_count_kv", out_.kv_heads);
    fields_.Int("vocab_size", 1, kMaxSize, &out_.vocabulary);
    if (!fields_.ok()) return;
    head_dim_ = hidden_ / out_.heads;
    fields_.Int("head_dim", 2, kMaxSize, &head_dim_);
    builder_.SetUint(Key("attention.key_length"), head_dim_);
    builder_.SetUint(Key("attention.value_length"), head_dim_);
    double epsilon = 1e-6;
    fields_.Number("rms_norm_eps", 1e-12, 1, &epsilon);
    builder_.SetFloat(Key("attention.layer_norm_rms_epsilon"), epsilon);
  }

  void SetSize(const char* name, const char* key, int64_t& value) {
    fields_.Int(name, 1, kMaxSize, &value);
    if (fields_.ok() && value > 0) builder_.SetUint(Key(key), static_cast<uint64_t>(value));
  }

  // A number, or a list whose first is the main one.
  void ReadId(const char* name, int64_t& id) {
    const json::value* value = fields_.Find(name);
    if (value != nullptr && value->is_array() && !value->get_array().empty()) {
      value = &value->get_array().front();
    }
    if (value != nullptr && !AsInteger(*value, &id)) fields_.Fail(name, "must be an integer");
  }

  void ReadRope() {
    fields_.Number("rope_theta", 1, 1e15, &rope_.theta);
    for (const char* name : {"rope_scaling", "rope_parameters"}) {
      const json::object* object = fields_.Object(name);
      if (object == nullptr) continue;
      // One for each kind of layers; the base of the others is read with their windows.
      const json::value* full = object->if_contains("full_attention");
      if (full != nullptr && full->is_object()) object = &full->get_object();
      JsonFields rope(*object, absl::StrCat(name, "."));
      rope.Text("type", 64, &rope_.type);
      rope.Text("rope_type", 64, &rope_.type);
      rope.Number("rope_theta", 1, 1e15, &rope_.theta);
      rope.Number("factor", 1e-3, 1e6, &rope_.factor);
      rope.Number("low_freq_factor", 1e-3, 1e6, &rope_.low_frequency);
      rope.Number("high_freq_factor", 1e-3, 1e6, &rope_.high_frequency);
      rope.Int("original_max_position_embeddings", 1, kMaxSize, &rope_.original_context);
      if (!rope.ok()) fields_.Fail(rope.status());
    }
  }

  absl::Status SetRope() {
    builder_.SetFloat(Key("rope.freq_base"), rope_.theta);
    if (rope_.type == "default") return absl::OkStatus();
    if (rope_.type == "linear" || rope_.type == "yarn") {
      builder_.SetString(Key("rope.scaling.type"), rope_.type);
      builder_.SetFloat(Key("rope.scaling.factor"), rope_.factor);
      if (rope_.type == "yarn") {
        builder_.SetUint(Key("rope.scaling.original_context_length"),
                         static_cast<uint64_t>(rope_.original_context));
      }
      return absl::OkStatus();
    }
    if (rope_.type == "llama3") {
      SetLlama3Factors();
      return absl::OkStatus();
    }
    return absl::UnimplementedError(
        absl::StrCat("rope_scaling type ", Quoted(rope_.type),
                     " is not supported; default, linear, yarn and llama3 are"));
  }

  // Llama 3.1's scaling (Meta's llama-models, apply_scaling): long waves are stretched by `factor`,
  // short ones not at all, those between by a mixture.
  void SetLlama3Factors() {
    const double context = static_cast<double>(rope_.original_context);
    for (int64_t i = 0; i < head_dim_; i += 2) {
      const double frequency =
          1 / std::pow(rope_.theta, static_cast<double>(i) / static_cast<double>(head_dim_));
      const double wave = 2 * std::numbers::pi / frequency;
      double factor = 1;
      if (wave > context / rope_.low_frequency) {
        factor = rope_.factor;
      } else if (wave > context / rope_.high_frequency) {
        const double smooth =
            (context / wave - rope_.low_frequency) / (rope_.high_frequency - rope_.low_frequency);
        factor = 1 / ((1 - smooth) / rope_.factor + smooth);
      }
      out_.rope_factors.push_back(static_cast<float>(factor));
    }
  }

  JsonFields fields_;
  ContentsBuilder& builder_;
  CheckpointConfig out_;
  RopeConfig rope_;
  int64_t hidden_ = 0;
  int64_t head_dim_ = 0;
};

}  // namespace

absl::StatusOr<CheckpointConfig> ReadCheckpointConfig(const json::object& config,
                                                      ContentsBuilder& builder) {
  return ConfigReader(config, builder).Read();
}

}  // namespace waferline::model
