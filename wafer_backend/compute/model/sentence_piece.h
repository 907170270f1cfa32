// SentencePiece-style tokenizing, BPE by score (Kudo and Richardson 2018), as the library does it:
// spaces are written as U+2581, one is put before the text if the file says so, user-defined tokens
// are never split, neighbouring pieces are joined in the order of the joined piece's score, and
// what is no piece then is written in byte tokens, or is one unknown token where a vocabulary has
// none.
//
// Differences, for exact round trips: bytes that are not UTF-8, and U+2581 itself, are written in
// byte tokens (the library replaces the former and takes the latter for a space); no Unicode
// normalisation. Unused pieces are never joined to, not even as a step to a larger piece.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/metadata.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {

// InvalidArgument naming the key.
absl::StatusOr<std::shared_ptr<const Tokenizer>> NewSentencePiece(const Metadata& metadata);

}  // namespace waferline::model
