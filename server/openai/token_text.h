// Bodies of /tokenize, /detokenize, /tokenizer_info (vLLM's shapes) and /v1/models. Pure, any
// thread. Errors as in request.h; without `model` the first served model is used.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/openai/response_shape.h"
#include "server/text/served_model.h"

namespace waferline::openai {

// {"prompt": text, "add_special_tokens": true} or {"messages": [...]}, and "return_token_strs", to
// {"count", "max_model_len", "tokens", "token_strs"}.
absl::StatusOr<std::string> Tokenize(std::string_view body, const text::ModelCatalog& catalog,
                                     int64_t unix_seconds);

// The prompts of a request, as vLLM's render routes give them: {"token_ids": [ids]} of a chat, a
// list of such of a completion.
std::string RenderedPrompts(const ResponseShape& shape);

// {"tokens": [ids]} to {"prompt": text}; special tokens appear by name, so that nothing is lost.
absl::StatusOr<std::string> Detokenize(std::string_view body, const text::ModelCatalog& catalog);

// What a client needs that tokenises or renders chats by itself, under the names of
// tokenizer_config.json: special tokens, whether texts begin and end with them, the chat template.
// `name`: a served model; "": the first.
absl::StatusOr<std::string> TokenizerInfo(std::string_view name, const text::ModelCatalog& catalog);

// {"object":"list","data":[...]} and one entry of it.
std::string ModelList(const text::ModelCatalog& catalog);
std::string ModelEntry(const text::ServedModel& model);

}  // namespace waferline::openai
