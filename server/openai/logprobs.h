// Log-probabilities in the two shapes of the API. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "server/openai/response_shape.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::openai {

// {"content":[{"token","logprob","bytes","top_logprobs":[...]}],"refusal":null}. A token that is
// only part of a character appears with U+FFFD in `token` and its true bytes in `bytes`.
void AppendChatLogprobs(std::string& out, const model::Tokenizer& tokenizer,
                        std::span<const TokenDetail> tokens);

// {"tokens":[],"token_logprobs":[],"top_logprobs":[],"text_offset":[]}. `offset` is where the first
// token starts in the whole text, in code points; the return value is where the next will. A token
// that is not UTF-8 by itself is written "bytes:\xe2\x80", as OpenAI does, and the offset counts
// the characters that begin in it..
int64_t AppendCompletionLogprobs(std::string& out, const model::Tokenizer& tokenizer,
                                 std::span<const TokenDetail> tokens, int64_t offset);

}  // namespace waferline::openai
