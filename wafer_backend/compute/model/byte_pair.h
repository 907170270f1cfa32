// Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): words by a pre-tokeniser, their bytes
// joined by the rank of a pair in the list of merges. User-defined tokens are one token wherever
// they occur. As in the models' own tokenizers, text is first brought to Unicode's form C where the
// pre-tokeniser's row says so, and a byte that the vocabulary has no token for is left out.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/metadata.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {

// InvalidArgument naming the key; Unimplemented for an unknown pre-tokeniser.
absl::StatusOr<std::shared_ptr<const Tokenizer>> NewBytePair(const Metadata& metadata);

}  // namespace waferline::model
