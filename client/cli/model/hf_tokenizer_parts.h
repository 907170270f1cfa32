// What tokenizer.json (hf_tokenizer.h) has whatever the kind of the tokenizer. Pure; any thread.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/metadata.h"
#include "wafer_backend/compute/model/sentence_piece.h"
#include "wafer_backend/compute/model/vocabulary.h"

namespace waferline::cli {

// Each match of the expression is a word by itself, and so is what is between two matches.
boost::json::object Split(std::string_view regex);
boost::json::object Sequence(const char* field, boost::json::array steps);

// The whole object without normalizer, pre_tokenizer, decoder and model. Control tokens, and
// user-defined ones if that is asked for, are looked for in the text before anything else.
// Unimplemented naming a token that is not UTF-8.
absl::StatusOr<boost::json::object> CommonTokenizer(const model::Vocabulary& vocabulary,
                                                    bool user_defined);

// Of equal names the first, as ours takes it. `visible_spaces`: in user-defined tokens.
boost::json::object TokenIds(const model::Vocabulary& vocabulary, bool visible_spaces);

// A BPE model whose options are all off.
boost::json::object BpeModel(boost::json::object ids, boost::json::array merges);

// `text` with U+2581 for each space, and that character.
std::string WithVisibleSpaces(std::string_view text);
inline constexpr std::string_view kVisibleSpace = "\xe2\x96\x81";

// For tokenizer.ggml.model = llama and t5.
absl::StatusOr<boost::json::object> SentencePieceTokenizer(const model::Metadata& metadata,
                                                           model::SentencePieceModel kind);

}  // namespace waferline::cli
