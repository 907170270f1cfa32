#include "server/http/model_routes.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/openai/api_error.h"
#include "server/openai/token_text.h"

namespace waferline::http {
namespace {

constexpr std::string_view kAlias = "/openai";
constexpr std::string_view kModelPrefix = "/v1/models/";
constexpr std::string_view kTokenizerPrefix = "/tokenizer_info/";

// The document, or the error in its place.
void SendAnswer(Generations& generations, const Call& call, absl::StatusOr<std::string> answer) {
  if (!answer.ok()) return generations.SendError(*call.exchange, answer.status(), Nanoseconds(0));
  call.exchange->Send({.content_type = "application/json", .body = *std::move(answer)});
}

}  // namespace

std::string_view WithoutAlias(std::string_view path) {
  if (path.starts_with(kAlias) && path.substr(kAlias.size()).starts_with("/v1/")) {
    path.remove_prefix(kAlias.size());
  }
  return path;
}

void Models(Generations& generations, const Call& call) {
  SendAnswer(generations, call, openai::ModelList(*generations.deps().models));
}

void OneModel(Generations& generations, const Call& call) {
  const std::string_view name =
      WithoutAlias(call.exchange->request().path).substr(kModelPrefix.size());
  const auto model = generations.deps().models->Find(name);
  if (model.ok()) return SendAnswer(generations, call, openai::ModelEntry(**model));
  SendAnswer(generations, call,
             openai::WithCode(openai::WithParam(model.status(), "model"), "model_not_found"));
}

void Completions(Generations& generations, const Call& call) {
  generations.Begin(call, openai::ParseCompletion);
}

void ChatCompletions(Generations& generations, const Call& call) {
  generations.Begin(call, openai::ParseChat);
}

void Tokenize(Generations& generations, const Call& call) {
  const serving::ServerDeps& deps = generations.deps();
  SendAnswer(
      generations, call,
      openai::Tokenize(call.exchange->request().body, *deps.models, deps.clock.unix_seconds()));
}

void Detokenize(Generations& generations, const Call& call) {
  SendAnswer(generations, call,
             openai::Detokenize(call.exchange->request().body, *generations.deps().models));
}

void TokenizerInfo(Generations& generations, const Call& call) {
  std::string_view name = call.exchange->request().path;
  name.remove_prefix(std::min(name.size(), kTokenizerPrefix.size()));
  SendAnswer(generations, call, openai::TokenizerInfo(name, *generations.deps().models));
}

void Warm(Generations& generations, const Call& call) { SendAnswer(generations, call, "{}"); }

}  // namespace waferline::http
