#include "server/http/model_routes.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/anthropic/message_request.h"
#include "server/batches/batch_view.h"
#include "server/http/list_query.h"
#include "server/openai/api_error.h"
#include "server/openai/embeddings.h"
#include "server/openai/json_text.h"
#include "server/openai/responses/item_list.h"
#include "server/openai/responses/response_request.h"
#include "server/openai/token_text.h"

namespace waferline::http {
namespace {

constexpr std::string_view kAlias = "/openai";
constexpr std::string_view kModelPrefix = "/v1/models/";
constexpr std::string_view kResponsePrefix = "/v1/responses/";
constexpr std::string_view kTokenizerPrefix = "/tokenizer_info/";

// The document, or the error in its place.
void SendAnswer(Generations& generations, const Call& call, absl::StatusOr<std::string> answer) {
  if (!answer.ok()) return generations.SendError(*call.exchange, answer.status(), Nanoseconds(0));
  call.exchange->Send({.content_type = "application/json", .body = *std::move(answer)});
}

// What the path names after `prefix`.
std::string_view NameAfter(std::string_view prefix, const Call& call) {
  return WithoutAlias(call.exchange->request().path).substr(prefix.size());
}

// Answers with what `ask` gives for the response that the path names; it may wait for a database.
void AnswerFromStore(Generations& generations, const Call& call,
                     std::function<absl::StatusOr<std::string>(const openai::ResponseKey& key)> ask,
                     std::string_view suffix = "") {
  const auto answer = std::make_shared<absl::StatusOr<std::string>>();
  const auto work = [call, ask = std::move(ask), answer, suffix] {
    std::string_view id = NameAfter(kResponsePrefix, call);
    id.remove_suffix(suffix.size());
    *answer = ask({call.caller.tenant, id});
  };
  const auto send = [&generations, call, answer] {
    SendAnswer(generations, call, *std::move(answer));
  };
  if (generations.responses().has_archive()) return generations.RunLong(call, work, send);
  work();
  send();
}

// Answers with `text` of the request's body, which may be a large one.
void AnswerText(Generations& generations, const Call& call,
                std::function<absl::StatusOr<std::string>(std::string_view body)> text) {
  const auto answer = std::make_shared<absl::StatusOr<std::string>>();
  const auto work = [call, text = std::move(text), answer] {
    *answer = text(call.exchange->request().body);
  };
  const auto send = [&generations, call, answer] {
    SendAnswer(generations, call, *std::move(answer));
  };
  if (call.exchange->request().body.size() > serving::kMaxQuickBytes) {
    return generations.RunLong(call, work, send);
  }
  work();
  send();
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
  const auto model = generations.deps().models->Find(NameAfter(kModelPrefix, call));
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

void RenderCompletion(Generations& generations, const Call& call) {
  generations.Render(call, openai::ParseCompletion);
}

void RenderChat(Generations& generations, const Call& call) {
  generations.Render(call, openai::ParseChat);
}

void ServerLoad(Generations& generations, const Call& call) {
  std::string out = "{\"server_load\":";
  openai::AppendInteger(out, generations.live());
  SendAnswer(generations, call, out + "}");
}

void Responses(Generations& generations, const Call& call) {
  generations.Begin(call, [store = &generations.responses()](std::string_view body,
                                                             const openai::Envelope& envelope,
                                                             const text::ModelCatalog& catalog) {
    return openai::ParseResponse(body, envelope, catalog, store);
  });
}

void OneResponse(Generations& generations, const Call& call) {
  const openai::ResponseStore& store = generations.responses();
  const openai::ResponseKey key{call.caller.tenant, NameAfter(kResponsePrefix, call)};
  if (const auto recent = store.Recent(key)) {
    return SendAnswer(generations, call, recent->document);
  }
  AnswerFromStore(generations, call,
                  [&store](const openai::ResponseKey& asked) -> absl::StatusOr<std::string> {
                    const auto stored = store.Find(asked);
                    if (!stored.ok()) return stored.status();
                    return (*stored)->document;
                  });
}

void ResponseInputItems(Generations& generations, const Call& call) {
  const auto page = ReadListQuery(call.exchange->request().query,
                                  {.limit = 20, .max_limit = 100, .ordered = true});
  if (!page.ok()) return generations.SendError(*call.exchange, page.status(), Nanoseconds(0));
  AnswerFromStore(
      generations, call,
      [&store = generations.responses(),
       page = *page](const openai::ResponseKey& asked) -> absl::StatusOr<std::string> {
        const auto stored = store.Find(asked);
        if (!stored.ok()) return stored.status();
        auto items = openai::InputItemsOf(**stored);
        if (!page.oldest_first) std::reverse(items.begin(), items.end());
        if (!page.after.empty()) {
          const auto after = std::find_if(items.begin(), items.end(), [&](const auto& item) {
            return item.at("id") == boost::json::value(page.after);
          });
          if (after == items.end()) return openai::FieldError("after", "is none of its items");
          items.erase(items.begin(), after + 1);
        }
        return batches::ListView(std::move(items), page.limit);
      },
      "/input_items");
}

void DeleteResponse(Generations& generations, const Call& call) {
  AnswerFromStore(generations, call,
                  [&store = generations.responses()](
                      const openai::ResponseKey& asked) -> absl::StatusOr<std::string> {
                    const absl::Status erased = store.Erase(asked);
                    if (!erased.ok()) return erased;
                    std::string out = "{\"id\":";
                    openai::AppendQuoted(out, asked.id);
                    return out + ",\"object\":\"response\",\"deleted\":true}";
                  });
}

void Messages(Generations& generations, const Call& call) {
  call.exchange->AddHeader("request-id", call.request_id);
  generations.Begin(call, anthropic::ParseMessages);
}

void CountMessageTokens(Generations& generations, const Call& call) {
  AnswerText(generations, call, [&deps = generations.deps()](std::string_view body) {
    return anthropic::CountTokens(body, *deps.models, deps.clock.unix_seconds());
  });
}

void Embeddings(Generations& generations, const Call& call) {
  generations.Begin(call, openai::ParseEmbeddings);
}

void Tokenize(Generations& generations, const Call& call) {
  AnswerText(generations, call, [&deps = generations.deps()](std::string_view body) {
    return openai::Tokenize(body, *deps.models, deps.clock.unix_seconds());
  });
}

void Detokenize(Generations& generations, const Call& call) {
  AnswerText(generations, call, [&deps = generations.deps()](std::string_view body) {
    return openai::Detokenize(body, *deps.models);
  });
}

void TokenizerInfo(Generations& generations, const Call& call) {
  std::string_view name = call.exchange->request().path;
  name.remove_prefix(std::min(name.size(), kTokenizerPrefix.size()));
  SendAnswer(generations, call, openai::TokenizerInfo(name, *generations.deps().models));
}

void Warm(Generations& generations, const Call& call) { SendAnswer(generations, call, "{}"); }

}  // namespace waferline::http
