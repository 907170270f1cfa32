// What clients ask of models: lists, completions, chats, tokens. Free functions of one signature,
// which the table of routes names (api.cc). Thread: io; each answers its call, now or later.
#pragma once

#include <string_view>

#include "server/http/generations.h"

namespace waferline::http {

// The path without the "/openai" that some gateways put before "/v1/".
std::string_view WithoutAlias(std::string_view path);

void Models(Generations& generations, const Call& call);
void OneModel(Generations& generations, const Call& call);
void Completions(Generations& generations, const Call& call);
void ChatCompletions(Generations& generations, const Call& call);
// The prompts' tokens of such requests, for routers that choose a server by them.
void RenderCompletion(Generations& generations, const Call& call);
void RenderChat(Generations& generations, const Call& call);
// {"server_load": requests whose answers are not complete}
void ServerLoad(Generations& generations, const Call& call);
// /v1/responses, and a stored one by its id.
void Responses(Generations& generations, const Call& call);
void OneResponse(Generations& generations, const Call& call);
void ResponseInputItems(Generations& generations, const Call& call);
void DeleteResponse(Generations& generations, const Call& call);
// /v1/messages and its count_tokens.
void Messages(Generations& generations, const Call& call);
void CountMessageTokens(Generations& generations, const Call& call);
// /v1/embeddings: vectors of prompts.
void Embeddings(Generations& generations, const Call& call);
void Tokenize(Generations& generations, const Call& call);
void Detokenize(Generations& generations, const Call& call);
void TokenizerInfo(Generations& generations, const Call& call);
// A Cerebras client opens its connection with this.
void Warm(Generations& generations, const Call& call);

}  // namespace waferline::http
