// Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): words by a pre-tokeniser, their bytes
// joined by the rank of a pair in the list of merges. User-defined tokens are one token wherever
// they occur.
//
// Difference: no Unicode normalisation (Qwen2's own tokenizer brings text to NFC first), so that
// any text comes back exactly.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/model/metadata.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline::model {

// InvalidArgument naming the key; Unimplemented for an unknown pre-tokeniser.
absl::StatusOr<std::shared_ptr<const Tokenizer>> NewBytePair(const Metadata& metadata);

}  // namespace waferline::model
