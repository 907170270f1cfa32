// SentencePiece-style tokenizing (Kudo and Richardson 2018), as the library does it: spaces are
// written as U+2581, one is put before the text and superfluous ones are taken away if the file
// says so, user-defined tokens are never split, and any rest that is not a piece is written in
// byte tokens, or is one unknown token where a vocabulary has none. Pieces are found in two ways.
//
// Differences, for exact round trips: bytes that are not UTF-8, and U+2581 itself, are written in
// byte tokens (the library replaces the former and takes the latter for a space); no Unicode
// normalisation, and files with a table for it (precompiled_charsmap) are refused. Unused pieces
// are never joined to, not even as a step to a larger piece.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/metadata.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {

enum class SentencePieceModel {
  kMerges,   // "llama": neighbours are joined in the order of the joined piece's score
  kUnigram,  // "t5": the pieces whose scores add up to most
};

// InvalidArgument or Unimplemented naming the key.
absl::StatusOr<std::shared_ptr<const Tokenizer>> NewSentencePiece(const Metadata& metadata,
                                                                  SentencePieceModel model);

}  // namespace waferline::model
