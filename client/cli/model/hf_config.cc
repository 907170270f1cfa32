#include "client/cli/model/hf_config.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/name_table.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/metadata.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::cli {
namespace {

namespace json = boost::json;
using model::Metadata;

struct Architecture {
  std::string_view gguf;
  const char* model_type;  // of config.json
  const char* class_name;
};

// general.architecture (ggml docs/gguf.md) and transformers' names for the same model.
constexpr Architecture kArchitectures[] = {
    {"llama", "llama", "LlamaForCausalLM"},
    {"mistral", "mistral", "MistralForCausalLM"},
    {"qwen2", "qwen2", "Qwen2ForCausalLM"},
    {"qwen2moe", "qwen2_moe", "Qwen2MoeForCausalLM"},
    {"qwen3", "qwen3", "Qwen3ForCausalLM"},
    {"qwen3moe", "qwen3_moe", "Qwen3MoeForCausalLM"},
    {"gemma", "gemma", "GemmaForCausalLM"},
    {"gemma2", "gemma2", "Gemma2ForCausalLM"},
    {"gemma3", "gemma3_text", "Gemma3ForCausalLM"},
    {"phi2", "phi", "PhiForCausalLM"},
    {"phi3", "phi3", "Phi3ForCausalLM"},
    {"olmo2", "olmo2", "Olmo2ForCausalLM"},
    {"granite", "granite", "GraniteForCausalLM"},
    {"granitemoe", "granitemoe", "GraniteMoeForCausalLM"},
    {"smollm3", "smollm3", "SmolLM3ForCausalLM"},
    {"glm4", "glm4", "Glm4ForCausalLM"},
    {"glm4moe", "glm4_moe", "Glm4MoeForCausalLM"},
    {"starcoder2", "starcoder2", "Starcoder2ForCausalLM"},
    {"stablelm", "stablelm", "StableLmForCausalLM"},
    {"gpt-oss", "gpt_oss", "GptOssForCausalLM"},
    {"deepseek2", "deepseek_v3", "DeepseekV3ForCausalLM"},
    {"llama4", "llama4_text", "Llama4ForCausalLM"},
    {"falcon", "falcon", "FalconForCausalLM"},
    {"command-r", "cohere", "CohereForCausalLM"},
};

// Keys after "ARCHITECTURE.", and what config.json calls them.
struct Size {
  const char* key;
  const char* name;
};
constexpr Size kWhole[] = {{"block_count", "num_hidden_layers"},
                           {"embedding_length", "hidden_size"},
                           {"feed_forward_length", "intermediate_size"},
                           {"context_length", "max_position_embeddings"},
                           {"attention.head_count", "num_attention_heads"},
                           {"attention.head_count_kv", "num_key_value_heads"},
                           {"attention.key_length", "head_dim"},
                           {"attention.sliding_window", "sliding_window"},
                           {"expert_count", "num_experts"},
                           {"expert_used_count", "num_experts_per_tok"},
                           {"expert_feed_forward_length", "moe_intermediate_size"}};
constexpr Size kReal[] = {{"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
                          {"rope.freq_base", "rope_theta"}};

// The names of begin, end, unknown and padding tokens, if the file has them.
absl::Status AddSpecial(const Metadata& metadata, const model::Tokenizer& tokenizer,
                        json::object& out) {
  for (const std::string name : {"bos", "eos", "unknown", "padding"}) {
    const std::string key = absl::StrCat("tokenizer.ggml.", name, "_token_id");
    if (!metadata.Has(key)) continue;
    WL_ASSIGN_OR_RETURN(const uint64_t id, metadata.Uint(key));
    if (!tokenizer.valid(static_cast<int64_t>(id))) {
      return absl::InvalidArgumentError(
          absl::StrCat(key, " is ", id, ", but there are only ", tokenizer.size(), " tokens"));
    }
    const char* theirs = name == "unknown" ? "unk" : name == "padding" ? "pad" : name.c_str();
    out[absl::StrCat(theirs, "_token")] =
        model::Utf8Text(tokenizer.RawPiece(static_cast<TokenId>(id)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<json::object> HuggingFaceTokenizerConfig(const model::GgufFile& file) {
  const Metadata& metadata = file.metadata();
  WL_ASSIGN_OR_RETURN(const auto tokenizer, model::TokenizerFromGguf(file));
  json::object out{{"tokenizer_class", "PreTrainedTokenizerFast"},
                   {"clean_up_tokenization_spaces", false},
                   {"add_bos_token", tokenizer->adds_bos()},
                   {"add_eos_token", tokenizer->adds_eos()}};
  WL_RETURN_IF_ERROR(AddSpecial(metadata, *tokenizer, out));
  constexpr const char* kTemplate = "tokenizer.chat_template";
  if (metadata.Has(kTemplate)) {
    WL_ASSIGN_OR_RETURN(const std::string_view text, metadata.String(kTemplate));
    out["chat_template"] = model::Utf8Text(text);
  }
  WL_ASSIGN_OR_RETURN(const std::string_view name, metadata.String("general.architecture"));
  const std::string context = absl::StrCat(Absl(name), ".context_length");
  if (metadata.Has(context)) {
    WL_ASSIGN_OR_RETURN(const uint64_t positions, metadata.Uint(context));
    out["model_max_length"] = positions;
  }
  return out;
}

absl::StatusOr<json::object> HuggingFaceConfig(const model::GgufFile& file) {
  const Metadata& metadata = file.metadata();
  WL_ASSIGN_OR_RETURN(const std::string_view name, metadata.String("general.architecture"));
  const Architecture* found = nullptr;
  std::vector<std::string_view> names;
  for (const Architecture& each : kArchitectures) {
    names.push_back(each.gguf);
    if (each.gguf == name) found = &each;
  }
  if (found == nullptr) {
    return absl::UnimplementedError(absl::StrCat("architecture ", model::Quoted(name),
                                                 " (general.architecture) cannot be exported, ",
                                                 MustBeOneOf(name, names)));
  }
  json::object out{{"architectures", json::array{found->class_name}},
                   {"model_type", found->model_type}};
  const auto key = [name](const Size& size) { return absl::StrCat(Absl(name), ".", size.key); };
  for (const Size& size : kWhole) {
    // Some files have a number for each layer; config.json has no place for them.
    if (const auto value = metadata.Uint(key(size)); value.ok()) out[size.name] = *value;
  }
  for (const Size& size : kReal) {
    if (const auto value = metadata.Float(key(size)); value.ok()) out[size.name] = *value;
  }
  WL_ASSIGN_OR_RETURN(const auto tokens, metadata.Strings("tokenizer.ggml.tokens"));
  out["vocab_size"] = tokens.size();
  out["tie_word_embeddings"] = file.FindTensor("output.weight") == nullptr;
  for (const char* id : {"bos", "eos"}) {
    const auto value = metadata.Uint(absl::StrCat("tokenizer.ggml.", id, "_token_id"));
    if (value.ok()) out[absl::StrCat(id, "_token_id")] = *value;
  }
  return out;
}

}  // namespace waferline::cli
