#include "wafer_backend/compute/model/checkpoint_tokenizer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/checkpoint_pre_tokenizer.h"
#include "wafer_backend/compute/model/checkpoint_sentence_piece.h"
#include "wafer_backend/compute/model/vocabulary.h"

namespace waferline::model {
namespace {

namespace json = boost::json;

constexpr size_t kMaxText = 1 << 20;
constexpr size_t kMaxItems = size_t{1} << 24;
class TokenizerReader {
 public:
  TokenizerReader(const json::object& tokenizer, const CheckpointConfig& config,
                  ContentsBuilder& builder)
      : fields_(tokenizer), config_(config), builder_(builder) {}

  absl::Status Read() {
    WL_RETURN_IF_ERROR(ReadModel());
    WL_RETURN_IF_ERROR(ReadAddedTokens());
    builder_.SetString("tokenizer.ggml.model", sentence_piece_ ? "llama" : "gpt2");
    if (sentence_piece_) {
      WL_RETURN_IF_ERROR(FinishSentencePiece());
    } else {
      WL_ASSIGN_OR_RETURN(const std::string_view cuts, PreTokenizerOf(fields_, whole_words_));
      builder_.SetString("tokenizer.ggml.pre", std::string(cuts));
      builder_.SetStrings("tokenizer.ggml.merges", std::move(merges_));
    }
    WL_RETURN_IF_ERROR(ReadPostProcessor());
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (types_[i] == TokenType::kUnused) tokens_[i] = absl::StrCat("[PAD", i, "]");
    }
    std::vector<int32_t> types(types_.size());
    std::transform(types_.begin(), types_.end(), types.begin(),
                   [](TokenType type) { return static_cast<int32_t>(type); });
    builder_.SetStrings("tokenizer.ggml.tokens", std::move(tokens_));
    builder_.SetInts("tokenizer.ggml.token_type", types);
    return absl::OkStatus();
  }

 private:
  absl::Status Put(const std::string& path, int64_t id, std::string text, TokenType type) {
    if (id < 0 || id >= config_.vocabulary) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": the id ", id, " of ", Quoted(text),
                                                     " is out of range [0, ", config_.vocabulary,
                                                     "), the vocab_size of config.json"));
    }
    const auto index = static_cast<size_t>(id);
    if (types_[index] != TokenType::kUnused && tokens_[index] != text) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": the id ", id, " is of ", Quoted(tokens_[index]), " and of ", Quoted(text)));
    }
    tokens_[index] = std::move(text);
    types_[index] = type;
    return absl::OkStatus();
  }

  absl::Status ReadModel() {
    tokens_.resize(static_cast<size_t>(config_.vocabulary));
    types_.assign(tokens_.size(), TokenType::kUnused);
    fields_.Require({"model"});
    const json::object* object = fields_.Object("model");
    WL_RETURN_IF_ERROR(fields_.status());
    JsonFields model(*object, "model.");
    std::string type = "BPE";
    model.Text("type", 64, &type);
    model.Bool("byte_fallback", &sentence_piece_);
    model.Text("unk_token", kMaxText, &unknown_);
    model.Bool("ignore_merges", &whole_words_);
    model.Require({"vocab", "merges"});
    const json::object* vocab = model.Object("vocab");
    const json::array* merges = model.Array("merges", kMaxItems);
    WL_RETURN_IF_ERROR(model.status());
    if (type != "BPE") {
      return absl::UnimplementedError(absl::StrCat(
          "model.type is ", Quoted(type), "; BPE is supported (other tokenizers from GGUF files)"));
    }
    for (const auto& item : *vocab) {
      int64_t id = -1;
      if (!AsInteger(item.value(), &id)) id = -1;
      const std::string text(item.key());
      WL_RETURN_IF_ERROR(Put("model.vocab", id, text, TypeOf(text)));
    }
    return ReadMerges(*merges);
  }

  // "a b" or, in newer files, ["a", "b"].
  absl::Status ReadMerges(const json::array& merges) {
    for (size_t i = 0; i < merges.size(); ++i) {
      const json::value& merge = merges[i];
      const json::array* pair = merge.if_array();
      if (merge.is_string()) {
        merges_.emplace_back(merge.get_string());
      } else if (pair != nullptr && pair->size() == 2 && (*pair)[0].is_string() &&
                 (*pair)[1].is_string()) {
        merges_.push_back(absl::StrCat(std::string((*pair)[0].get_string()), " ",
                                       std::string((*pair)[1].get_string())));
      } else {
        return absl::InvalidArgumentError(
            absl::StrCat("model.merges[", i, "] is neither \"A B\" nor [\"A\", \"B\"]"));
      }
    }
    return absl::OkStatus();
  }

  // Of a token of model.vocab.
  TokenType TypeOf(const std::string& text) const {
    if (!sentence_piece_) return TokenType::kNormal;
    if (text == unknown_) return TokenType::kUnknown;
    return IsByteName(text) ? TokenType::kByte : TokenType::kNormal;
  }

  absl::Status FinishSentencePiece() {
    WL_ASSIGN_OR_RETURN(const bool prefix, SpacePrefixOf(fields_));
    builder_.SetBool("tokenizer.ggml.add_space_prefix", prefix);
    WL_ASSIGN_OR_RETURN(const std::vector<float> scores, ScoresOfMerges(merges_, tokens_, types_));
    builder_.SetFloats("tokenizer.ggml.scores", scores);
    for (size_t id = 0; id < types_.size(); ++id) {
      if (types_[id] == TokenType::kUnknown) {
        builder_.SetUint("tokenizer.ggml.unknown_token_id", id);
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadAddedTokens() {
    const json::array* added = fields_.Array("added_tokens", kMaxItems);
    WL_RETURN_IF_ERROR(fields_.status());
    for (size_t i = 0; added != nullptr && i < added->size(); ++i) {
      const std::string path = absl::StrCat("added_tokens[", i, "]");
      if (!(*added)[i].is_object()) {
        return absl::InvalidArgumentError(absl::StrCat(path, " is not an object"));
      }
      JsonFields token((*added)[i].get_object(), path + ".");
      int64_t id = -1;
      std::string text;
      bool special = false;
      token.Require({"id", "content"});
      token.Int("id", 0, INT32_MAX, &id);
      token.Text("content", kMaxText, &text);
      token.Bool("special", &special);
      WL_RETURN_IF_ERROR(token.status());
      TokenType type = special ? TokenType::kControl : TokenType::kUserDefined;
      if (sentence_piece_ && text == unknown_) type = TokenType::kUnknown;
      WL_RETURN_IF_ERROR(Put(path, id, std::move(text), type));
    }
    return absl::OkStatus();
  }

  // A template that puts a token before each text ("single": [{"SpecialToken": ...}, ...]).
  absl::Status ReadPostProcessor() {
    const json::object* processor = fields_.Object("post_processor");
    WL_RETURN_IF_ERROR(fields_.status());
    if (processor == nullptr) return absl::OkStatus();
    return ForEachStep(*processor, "processors", "post_processor.",
                       [this](const std::string& type, JsonFields& fields) -> absl::Status {
                         if (type != "TemplateProcessing") return absl::OkStatus();
                         const json::array* single = fields.Array("single", 16);
                         WL_RETURN_IF_ERROR(fields.status());
                         if (single == nullptr || single->empty()) return absl::OkStatus();
                         if (IsSpecial(single->front())) {
                           builder_.SetBool("tokenizer.ggml.add_bos_token", true);
                         }
                         if (single->size() > 1 && IsSpecial(single->back())) {
                           builder_.SetBool("tokenizer.ggml.add_eos_token", true);
                         }
                         return absl::OkStatus();
                       });
  }

  static bool IsSpecial(const json::value& piece) {
    return piece.is_object() && piece.get_object().contains("SpecialToken");
  }

  JsonFields fields_;
  const CheckpointConfig& config_;
  ContentsBuilder& builder_;
  bool whole_words_ = false;
  bool sentence_piece_ = false;
  std::string unknown_;  // the token of what is not in the vocabulary
  std::vector<std::string> merges_;
  std::vector<std::string> tokens_;
  std::vector<TokenType> types_;
};

// "name": "<s>" or {"content": "<s>"}: the id of that token.
absl::Status SetIdByName(JsonFields& fields, const char* field, const char* key,
                         ContentsBuilder& builder) {
  const json::value* value = fields.Find(field);
  if (value != nullptr && value->is_object()) value = value->get_object().if_contains("content");
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_string())
    return absl::InvalidArgumentError(absl::StrCat(field, " is not a string"));
  const std::string text(value->get_string());
  WL_ASSIGN_OR_RETURN(const auto tokens,
                      builder.contents().metadata.Strings("tokenizer.ggml.tokens"));
  const auto found = std::find(tokens.begin(), tokens.end(), text);
  if (found == tokens.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " is ", Quoted(text), ", which is not a token of tokenizer.json"));
  }
  builder.SetUint(key, static_cast<uint64_t>(found - tokens.begin()));
  return absl::OkStatus();
}

// A template, or a list of named ones, of which "default" counts.
absl::StatusOr<std::string> TemplateOf(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  const json::array* list = value.if_array();
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    if (!(*list)[i].is_object()) continue;
    JsonFields named((*list)[i].get_object(), absl::StrCat("chat_template[", i, "]."));
    std::string name, text;
    named.Text("name", 256, &name);
    named.Text("template", kMaxText, &text);
    WL_RETURN_IF_ERROR(named.status());
    if (name == "default") return text;
  }
  if (list != nullptr) return std::string();
  return absl::InvalidArgumentError("chat_template is neither a string nor a list");
}

}  // namespace

absl::Status ReadTokenizerJson(const json::object& tokenizer, const CheckpointConfig& config,
                               ContentsBuilder& builder) {
  return TokenizerReader(tokenizer, config, builder).Read();
}

absl::Status ReadTokenizerConfig(const json::object& tokenizer_config, ContentsBuilder& builder) {
  JsonFields fields(tokenizer_config);
  WL_RETURN_IF_ERROR(SetIdByName(fields, "bos_token", "tokenizer.ggml.bos_token_id", builder));
  WL_RETURN_IF_ERROR(SetIdByName(fields, "eos_token", "tokenizer.ggml.eos_token_id", builder));
  std::string kind;
  bool add_bos = false;
  fields.Text("tokenizer_class", 256, &kind);
  fields.Bool("add_bos_token", &add_bos);
  WL_RETURN_IF_ERROR(fields.status());
  // Only this class makes a post-processor of the field.
  if (add_bos && kind.starts_with("Llama")) {
    builder.SetBool("tokenizer.ggml.add_bos_token", true);
  }
  if (const json::value* value = fields.Find("chat_template")) {
    WL_ASSIGN_OR_RETURN(std::string text, TemplateOf(*value));
    if (!text.empty()) builder.SetString("tokenizer.chat_template", std::move(text));
  }
  return absl::OkStatus();
}

}  // namespace waferline::model
