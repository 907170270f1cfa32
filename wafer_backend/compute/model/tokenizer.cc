#include "wafer_backend/compute/model/tokenizer.h"

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/model/byte_pair.h"
#include "wafer_backend/compute/model/sentence_piece.h"

namespace waferline::model {

std::vector<TokenId> Tokenizer::Encode(std::string_view text, EncodeOptions options) const {
  const TextSegment segment{text, options.parse_special};
  return EncodeSegments(std::span(&segment, 1), options.add_special);
}

absl::StatusOr<std::shared_ptr<const Tokenizer>> TokenizerFromGguf(const GgufFile& file) {
  const Metadata& metadata = file.metadata();
  WL_ASSIGN_OR_RETURN(const std::string_view model, metadata.String("tokenizer.ggml.model"));
  if (model == "llama") return NewSentencePiece(metadata, SentencePieceModel::kMerges);
  if (model == "t5") return NewSentencePiece(metadata, SentencePieceModel::kUnigram);
  if (model == "gpt2") return NewBytePair(metadata);
  return absl::UnimplementedError(absl::StrCat("tokenizer ", Quoted(model),
                                               " (tokenizer.ggml.model) is not supported; llama "
                                               "(SentencePiece), t5 (unigram) and gpt2 (BPE) are"));
}

}  // namespace waferline::model
