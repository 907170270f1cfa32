// tokenizer.json of a SentencePiece model that joins pieces (Llama 2, Gemma): a BPE with
// byte_fallback, whose merges are all ways to make each piece, in the order of the pieces' scores.
//
// Plain functions, any thread. Errors name the field: Unimplemented for files that do not follow
// that pattern, whose texts would be cut differently here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/json_fields.h"
#include "wafer_backend/compute/model/vocabulary.h"

namespace waferline::model {

// "<0x0A>": a byte's token.
bool IsByteName(std::string_view token);

// A score for each token, so that joining the best-scored piece first is joining by the first
// merge. `merges` are "A B"; pieces that no merge makes have 0. Merges to added tokens have no
// effect: those are found in the text before it is cut.
absl::StatusOr<std::vector<float>> ScoresOfMerges(const std::vector<std::string>& merges,
                                                  const std::vector<std::string>& tokens,
                                                  const std::vector<TokenType>& types);

// Whether a space is put before each text, from the normalizer and the pre-tokenizer, which may do
// nothing else but write spaces as U+2581.
absl::StatusOr<bool> SpacePrefixOf(JsonFields& tokenizer);

}  // namespace waferline::model
