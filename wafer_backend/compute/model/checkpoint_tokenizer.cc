#include "wafer_backend/compute/model/checkpoint_tokenizer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/model/pre_tokenizer_table.h"
#include "wafer_backend/compute/model/vocabulary.h"

namespace waferline::model {
namespace {

namespace json = boost::json;

constexpr size_t kMaxText = 1 << 20;
constexpr size_t kMaxItems = size_t{1} << 24;
// ByteLevel with use_regex: GPT-2's own expression (encoder.py).
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Calls `each` with the object, or with those of a Sequence.
template <typename Each>
absl::Status ForEachOf(const json::object& object, const char* list, const std::string& path,
                       Each each) {
  JsonFields fields(object, path);
  std::string type;
  fields.Text("type", 64, &type);
  if (type != "Sequence") return each(type, fields);
  const json::array* items = fields.Array(list, 64);
  WL_RETURN_IF_ERROR(fields.status());
  for (size_t i = 0; items != nullptr && i < items->size(); ++i) {
    const std::string item = absl::StrCat(path, list, "[", i, "].");
    if (!(*items)[i].is_object()) {
      return absl::InvalidArgumentError(absl::StrCat(item, " is not an object"));
    }
    JsonFields inner((*items)[i].get_object(), item);
    inner.Text("type", 64, &type);
    WL_RETURN_IF_ERROR(each(type, inner));
  }
  return absl::OkStatus();
}

// Adds what a step of the pre-tokenizer cuts by; nothing for one that does not cut.
absl::Status AddStep(const std::string& type, JsonFields& fields,
                     std::vector<std::string>& patterns) {
  if (type == "ByteLevel") {
    bool regex = true;
    fields.Bool("use_regex", &regex);
    if (regex) patterns.emplace_back(kGpt2Pattern);
    return fields.status();
  }
  if (type == "Digits") {
    bool each = false;
    fields.Bool("individual_digits", &each);
    patterns.emplace_back(each ? R"(\p{N})" : R"(\p{N}+)");
    return fields.status();
  }
  if (type != "Split") {
    return absl::UnimplementedError(
        absl::StrCat(fields.PathOf("type"), " is ", Quoted(type),
                     "; ByteLevel, Digits, Split and Sequence are supported"));
  }
  std::string behavior;
  bool invert = false;
  fields.Text("behavior", 64, &behavior);
  fields.Bool("invert", &invert);
  std::string pattern;
  if (const json::object* object = fields.Object("pattern")) {
    JsonFields(*object).Text("Regex", kMaxText, &pattern);
  }
  WL_RETURN_IF_ERROR(fields.status());
  // Removed with an inverted pattern keeps the matches, which is the same where they are all.
  if (pattern.empty() ||
      !((behavior == "Isolated" && !invert) || (behavior == "Removed" && invert))) {
    return absl::UnimplementedError(
        absl::StrCat(fields.PathOf("behavior"), ": only a Regex that is isolated is supported"));
  }
  patterns.push_back(std::move(pattern));
  return absl::OkStatus();
}

bool HasSteps(const PreTokenizerRow& row, const std::vector<std::string>& patterns) {
  size_t i = 0;
  for (const CutStep& step : row.steps) {
    const std::string_view published = step.published != nullptr ? step.published : step.pattern;
    if (published.empty()) continue;
    if (i == patterns.size() || patterns[i++] != published) return false;
  }
  return i == patterns.size();
}

// The name of the row that cuts so; if there are several, of one that treats whole words alike.
absl::StatusOr<std::string_view> NameOfSteps(const std::vector<std::string>& patterns, bool nfc,
                                             bool whole_words) {
  const PreTokenizerRow* found = nullptr;
  for (const PreTokenizerRow& row : PreTokenizerRows()) {
    if (row.nfc != nfc || !HasSteps(row, patterns)) continue;
    if (found == nullptr || row.whole_words == whole_words) found = &row;
    if (row.whole_words == whole_words) break;
  }
  if (found != nullptr) return found->name;
  return absl::UnimplementedError(absl::StrCat("pre_tokenizer: no known model cuts texts so",
                                               nfc ? ", after NFC" : "", ": ",
                                               Quoted(absl::StrJoin(patterns, " then "))));
}

class TokenizerReader {
 public:
  TokenizerReader(const json::object& tokenizer, const CheckpointConfig& config,
                  ContentsBuilder& builder)
      : fields_(tokenizer), config_(config), builder_(builder) {}

  absl::Status Read() {
    builder_.SetString("tokenizer.ggml.model", "gpt2");
    WL_RETURN_IF_ERROR(ReadModel());
    WL_RETURN_IF_ERROR(ReadAddedTokens());
    WL_RETURN_IF_ERROR(ReadPreTokenizer());
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
    bool bytes = false;
    model.Text("type", 64, &type);
    model.Bool("byte_fallback", &bytes);
    model.Bool("ignore_merges", &whole_words_);
    model.Require({"vocab", "merges"});
    const json::object* vocab = model.Object("vocab");
    const json::array* merges = model.Array("merges", kMaxItems);
    WL_RETURN_IF_ERROR(model.status());
    if (type != "BPE" || bytes) {
      return absl::UnimplementedError(
          absl::StrCat("model.type is ", Quoted(type), bytes ? " with byte_fallback" : "",
                       "; byte-level BPE is supported (other tokenizers from GGUF files)"));
    }
    for (const auto& item : *vocab) {
      int64_t id = -1;
      if (!AsInteger(item.value(), &id)) id = -1;
      WL_RETURN_IF_ERROR(Put("model.vocab", id, std::string(item.key()), TokenType::kNormal));
    }
    return ReadMerges(*merges);
  }

  // "a b" or, in newer files, ["a", "b"].
  absl::Status ReadMerges(const json::array& merges) {
    std::vector<std::string> lines;
    for (size_t i = 0; i < merges.size(); ++i) {
      const json::value& merge = merges[i];
      const json::array* pair = merge.if_array();
      if (merge.is_string()) {
        lines.emplace_back(merge.get_string());
      } else if (pair != nullptr && pair->size() == 2 && (*pair)[0].is_string() &&
                 (*pair)[1].is_string()) {
        lines.push_back(absl::StrCat(std::string((*pair)[0].get_string()), " ",
                                     std::string((*pair)[1].get_string())));
      } else {
        return absl::InvalidArgumentError(
            absl::StrCat("model.merges[", i, "] is neither \"A B\" nor [\"A\", \"B\"]"));
      }
    }
    builder_.SetStrings("tokenizer.ggml.merges", std::move(lines));
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
      WL_RETURN_IF_ERROR(
          Put(path, id, std::move(text), special ? TokenType::kControl : TokenType::kUserDefined));
    }
    return absl::OkStatus();
  }

  absl::Status ReadPreTokenizer() {
    bool nfc = false;
    if (const json::object* normalizer = fields_.Object("normalizer")) {
      WL_RETURN_IF_ERROR(
          ForEachOf(*normalizer, "normalizers", "normalizer.",
                    [&nfc](const std::string& type, JsonFields& fields) -> absl::Status {
                      nfc = nfc || type == "NFC";
                      if (type == "NFC") return absl::OkStatus();
                      return absl::UnimplementedError(absl::StrCat(
                          fields.PathOf("type"), " is ", Quoted(type), "; NFC is supported"));
                    }));
    }
    std::vector<std::string> patterns;
    fields_.Require({"pre_tokenizer"});
    const json::object* steps = fields_.Object("pre_tokenizer");
    WL_RETURN_IF_ERROR(fields_.status());
    WL_RETURN_IF_ERROR(ForEachOf(*steps, "pretokenizers", "pre_tokenizer.",
                                 [&patterns](const std::string& type, JsonFields& fields) {
                                   return AddStep(type, fields, patterns);
                                 }));
    WL_ASSIGN_OR_RETURN(const std::string_view name, NameOfSteps(patterns, nfc, whole_words_));
    builder_.SetString("tokenizer.ggml.pre", std::string(name));
    return absl::OkStatus();
  }

  // A template that puts a token before each text ("single": [{"SpecialToken": ...}, ...]).
  absl::Status ReadPostProcessor() {
    const json::object* processor = fields_.Object("post_processor");
    WL_RETURN_IF_ERROR(fields_.status());
    if (processor == nullptr) return absl::OkStatus();
    return ForEachOf(*processor, "processors", "post_processor.",
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
  std::vector<std::string> tokens_;
  std::vector<TokenType> types_;
};

// "name": "<s>" or {"content": "<s>"}: the id of that token.
absl::Status SetIdByName(JsonFields& fields, const char* field, const char* key,
                         ContentsBuilder& builder) {
  const json::value* value = fields.Find(field);
  if (value != nullptr && value->is_object()) value = value->get_object().if_contains("content");
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_string()) return absl::InvalidArgumentError(absl::StrCat(field, " is no string"));
  const std::string text(value->get_string());
  WL_ASSIGN_OR_RETURN(const auto tokens,
                      builder.contents().metadata.Strings("tokenizer.ggml.tokens"));
  const auto found = std::find(tokens.begin(), tokens.end(), text);
  if (found == tokens.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " is ", Quoted(text), ", which is no token of tokenizer.json"));
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
