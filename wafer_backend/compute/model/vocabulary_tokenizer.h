// What all tokenizers share: the vocabulary, the search for control tokens in segments, decoding.
// Immutable after construction; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wafer_backend/compute/model/name_finder.h"
#include "wafer_backend/compute/model/tokenizer.h"
#include "wafer_backend/compute/model/vocabulary.h"

namespace waferline::model {

class VocabularyTokenizer : public Tokenizer {
 public:
  std::vector<TokenId> EncodeSegments(std::span<const TextSegment> segments,
                                      bool add_special) const final;
  std::string Decode(std::span<const TokenId> ids, bool skip_special) const final;
  std::string_view Piece(TokenId id) const final { return pieces_[id]; }
  std::string_view RawPiece(TokenId id) const final { return vocabulary_.tokens[id]; }
  int64_t size() const final { return vocabulary_.size(); }
  bool IsSpecial(TokenId id) const final;
  std::optional<TokenId> FindSpecial(std::string_view name) const final;
  std::optional<TokenId> bos() const final { return vocabulary_.bos; }
  std::optional<TokenId> eos() const final { return vocabulary_.eos; }
  std::optional<TokenId> eot() const final { return vocabulary_.eot; }
  const std::vector<TokenId>& end_ids() const final { return vocabulary_.end_ids; }
  bool adds_bos() const final { return vocabulary_.add_bos; }
  bool adds_eos() const final { return vocabulary_.add_eos; }

 protected:
  // `pieces`: the bytes of each token. `space_prefix`: EncodeText puts a space before a text that
  // begins a sequence or follows a control token, and Decode takes it away.
  VocabularyTokenizer(Vocabulary vocabulary, std::vector<std::string> pieces, bool space_prefix);

  // Appends the tokens of `text`, which is not empty and shorter than 2 GiB (bug otherwise).
  virtual void EncodeText(std::string_view text, bool after_control,
                          std::vector<TokenId>& ids) const = 0;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  const NameFinder& user_defined() const { return user_defined_; }
  bool space_prefix() const { return space_prefix_; }

 private:
  const Vocabulary vocabulary_;
  const std::vector<std::string> pieces_;
  const bool space_prefix_;
  NameFinder control_;       // control and unknown tokens
  NameFinder user_defined_;  // by their pieces
};

}  // namespace waferline::model
