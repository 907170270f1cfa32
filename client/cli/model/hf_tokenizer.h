// A model file's tokenizer as tokenizer.json, the format of Hugging Face's tokenizers: it gives the
// ids that ours gives with parse_special, except for text that holds U+2581 in SentencePiece models
// (a space there) or bytes that are not UTF-8, and in unigram models where two ways to cut a text
// differ by less than a float holds (scores are doubles there). Pure; any thread.
//
// Sources: the format as tokenizers 0.23 reads and writes it; how SentencePiece vocabularies become
// merges: transformers' converter (a piece's every cut into two pieces, ranked by the piece's
// score).
#pragma once

#include <boost/json/object.hpp>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::cli {

// InvalidArgument or Unimplemented as TokenizerFromGguf; Unimplemented for a vocabulary that the
// format cannot hold (names the token).
absl::StatusOr<boost::json::object> HuggingFaceTokenizer(const model::GgufFile& file);

}  // namespace waferline::cli
