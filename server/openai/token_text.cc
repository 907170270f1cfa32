#include "server/openai/token_text.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/openai/api_error.h"
#include "server/openai/fields.h"
#include "server/openai/json_text.h"
#include "server/openai/prompt_fields.h"
#include "server/openai/request_fields.h"
#include "server/openai/tool_fields.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::openai {
namespace {

using Model = std::shared_ptr<const text::ServedModel>;

absl::StatusOr<Model> FindModelOrFirst(Fields& fields, const text::ModelCatalog& catalog) {
  if (fields.Find("model") == nullptr && !catalog.all().empty()) return catalog.all().front();
  return FindModel(fields, catalog);
}

absl::StatusOr<std::vector<TokenId>> TokensOf(Fields& fields, const text::ServedModel& model,
                                              int64_t unix_seconds) {
  bool add_special = true;
  bool parse_special = true;
  bool add_reply = true;
  fields.Bool("add_special_tokens", &add_special);
  fields.Bool("parse_special", &parse_special);
  fields.Bool("add_generation_prompt", &add_reply);
  if (!add_reply)
    fields.Fail("add_generation_prompt", "must be true: prompts end with the reply's head");
  const bool has_prompt = fields.Find("prompt") != nullptr;
  if (has_prompt == (fields.Find("messages") != nullptr)) {
    fields.Fail("prompt", "or 'messages' must be there, not both");
  }
  WL_RETURN_IF_ERROR(fields.status());
  if (!has_prompt) {
    WL_ASSIGN_OR_RETURN(const ResponseShape::Prompt prompt,
                        ReadMessages(fields, model, unix_seconds, ReadTools(fields).tools));
    return *prompt.tokens;
  }
  std::string text;
  fields.Text("prompt", std::string::npos, &text);
  WL_RETURN_IF_ERROR(fields.status());
  WL_RETURN_IF_ERROR(CheckTextFits("prompt", text.size(), model));
  return model.tokenizer->Encode(text,
                                 {.add_special = add_special, .parse_special = parse_special});
}

}  // namespace

std::string RenderedPrompts(const ResponseShape& shape) {
  std::string out;
  for (const ResponseShape::Prompt& prompt : shape.prompts) {
    out += out.empty() ? "{\"token_ids\":" : ",{\"token_ids\":";
    AppendIntegers(out, *prompt.tokens);
    out += '}';
  }
  return shape.chat() ? out : "[" + out + "]";
}

absl::StatusOr<std::string> Tokenize(std::string_view body, const text::ModelCatalog& catalog,
                                     int64_t unix_seconds) {
  WL_ASSIGN_OR_RETURN(const boost::json::object object, ParseObject(body));
  Fields fields(object);
  WL_ASSIGN_OR_RETURN(const Model model, FindModelOrFirst(fields, catalog));
  bool with_strings = false;
  fields.Bool("return_token_strs", &with_strings);
  WL_ASSIGN_OR_RETURN(const std::vector<TokenId> tokens, TokensOf(fields, *model, unix_seconds));

  std::string out = "{\"count\":";
  AppendInteger(out, tokens.size());
  out += ",\"max_model_len\":";
  AppendInteger(out, model->context_tokens.count());
  out += ",\"tokens\":";
  AppendIntegers(out, tokens);
  out += ",\"token_strs\":";
  if (!with_strings) return out + "null}";
  for (size_t i = 0; i < tokens.size(); ++i) {
    out += i == 0 ? '[' : ',';
    AppendQuoted(out, model->tokenizer->RawPiece(tokens[i]));
  }
  return out + (tokens.empty() ? "[]}" : "]}");
}

absl::StatusOr<std::string> Detokenize(std::string_view body, const text::ModelCatalog& catalog) {
  WL_ASSIGN_OR_RETURN(const boost::json::object object, ParseObject(body));
  Fields fields(object);
  WL_ASSIGN_OR_RETURN(const Model model, FindModelOrFirst(fields, catalog));
  const boost::json::array* list = fields.Array("tokens", std::string::npos);
  if (list == nullptr) fields.Fail("tokens", "must be a list of token ids");
  WL_RETURN_IF_ERROR(fields.status());
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < list->size(); ++i) {
    int64_t id = 0;
    if (!AsInteger((*list)[i], &id) || !model->tokenizer->valid(id)) {
      fields.Fail(absl::StrCat("tokens[", i, "]"),
                  absl::StrCat("must be an integer from 0 to ", model->tokenizer->size() - 1));
      return fields.status();
    }
    tokens.push_back(static_cast<TokenId>(id));
  }
  std::string out = "{\"prompt\":";
  AppendQuoted(out, model->tokenizer->Decode(tokens, false));
  return out + "}";
}

absl::StatusOr<std::string> TokenizerInfo(std::string_view name,
                                          const text::ModelCatalog& catalog) {
  const bool first = name.empty() && !catalog.all().empty();
  const absl::StatusOr<Model> model = first ? catalog.all().front() : catalog.Find(name);
  if (!model.ok()) return WithCode(WithParam(model.status(), "model"), "model_not_found");
  const model::Tokenizer& tokenizer = *(*model)->tokenizer;
  std::string out = "{\"model\":";
  AppendQuoted(out, (*model)->name);
  out += ",\"tokenizer_class\":";
  AppendQuoted(out, tokenizer.Description());
  out += ",\"vocab_size\":";
  AppendInteger(out, tokenizer.size());
  out += ",\"model_max_length\":";
  AppendInteger(out, (*model)->context_tokens.count());
  const auto token = [&](const char* field, std::optional<TokenId> id) {
    out += field;
    id ? AppendQuoted(out, tokenizer.RawPiece(*id)) : void(out += "null");
  };
  token(",\"bos_token\":", tokenizer.bos());
  token(",\"eos_token\":", tokenizer.eos());
  out += tokenizer.adds_bos() ? ",\"add_bos_token\":true" : ",\"add_bos_token\":false";
  out += tokenizer.adds_eos() ? ",\"add_eos_token\":true" : ",\"add_eos_token\":false";
  out += ",\"chat_template\":";
  (*model)->chat.ok() ? AppendQuoted(out, (*model)->chat->source()) : void(out += "null");
  return out + "}";
}

std::string ModelEntry(const text::ServedModel& model) {
  std::string out = "{\"id\":";
  AppendQuoted(out, model.name);
  out += ",\"object\":\"model\",\"created\":";
  AppendInteger(out, model.created_unix_s);
  out += ",\"owned_by\":\"waferline\",\"max_model_len\":";
  AppendInteger(out, model.context_tokens.count());
  out += ",\"waferline\":{\"time\":\"emulated\",\"tokens\":\"";
  out += model.origin == text::TokenOrigin::kComputed ? "computed" : "stand-in";
  out += "\",\"embeddings\":";
  out += model.origin == text::TokenOrigin::kComputed ? "[\"mean\",\"last\"]" : "[]";
  out += ",\"description\":";
  AppendQuoted(out, model.origin_label);
  if (model.chat.ok()) {
    out += ",\"chat\":true,\"chat_template\":";
    AppendQuoted(out, model.chat->name());
  } else {
    out += ",\"chat\":false,\"chat_template\":null,\"no_chat_because\":";
    AppendQuoted(out, Std(model.chat.status().message()));
  }
  return out + "}}";
}

std::string ModelList(const text::ModelCatalog& catalog) {
  std::string out = "{\"object\":\"list\",\"data\":[";
  for (size_t i = 0; i < catalog.all().size(); ++i) {
    if (i > 0) out += ',';
    out += ModelEntry(*catalog.all()[i]);
  }
  return out + "]}";
}

}  // namespace waferline::openai
