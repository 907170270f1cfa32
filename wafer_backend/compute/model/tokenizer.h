// Text to token ids and back, as the model's file defines it. Immutable after construction: any
// thread, any number at once. Encode is O(n log n) in the bytes of the text, whatever the text.
//
// Laws: Decode(Encode(text)) == text for every byte string, valid UTF-8 or not (if the vocabulary
// has a token for each byte and does not normalise text); no id outside [0, size()) ever comes out;
// a control token comes out of text only where parse_special asks for it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/base/ids.h"
#include "wafer_backend/compute/model/gguf.h"

namespace waferline::model {

struct EncodeOptions {
  bool add_special = true;     // begin and end tokens, as the model wants them
  bool parse_special = false;  // names of control tokens in the text ("</s>") become these tokens
};

// Part of a text. Neighbouring segments are tokenized as one text; control tokens are looked for
// within one segment only, so that what a user writes can never become one.
struct TextSegment {
  std::string_view text;
  bool parse_special = false;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  std::vector<TokenId> Encode(std::string_view text, EncodeOptions options = {}) const;
  virtual std::vector<TokenId> EncodeSegments(std::span<const TextSegment> segments,
                                              bool add_special) const = 0;

  // The text of a whole sequence; undoes Encode. Control tokens appear by name, or not at all with
  // skip_special. Ids outside the vocabulary are a bug of the caller (see valid()).
  virtual std::string Decode(std::span<const TokenId> ids, bool skip_special) const = 0;
  std::string Decode(std::span<const TokenId> ids) const { return Decode(ids, true); }

  // The bytes that the token adds to a running text (may be part of a UTF-8 character); a control
  // token's name. Valid as long as the tokenizer.
  virtual std::string_view Piece(TokenId id) const = 0;
  // The token as the vocabulary writes it ("▁the", "Ġthe", "<0x0A>").
  virtual std::string_view RawPiece(TokenId id) const = 0;

  virtual int64_t size() const = 0;
  bool valid(int64_t id) const { return id >= 0 && id < size(); }
  // Control, unknown and unused tokens: they stand for no text.
  virtual bool IsSpecial(TokenId id) const = 0;
  // The id of a control or user-defined token by its exact name.
  virtual std::optional<TokenId> FindSpecial(std::string_view name) const = 0;

  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  virtual std::optional<TokenId> eot() const = 0;           // end of a turn of a chat
  virtual const std::vector<TokenId>& end_ids() const = 0;  // every token that ends a text; sorted
  virtual bool adds_bos() const = 0;
  virtual bool adds_eos() const = 0;
  // "SentencePiece", "BPE (llama-bpe)".
  virtual std::string Description() const = 0;
};

// From tokenizer.ggml.* of the file. InvalidArgument naming the key that is missing or wrong;
// Unimplemented naming a tokenizer model or pre-tokeniser that is not known, and those that are.
// The tokenizer copies what it needs: the file may go.
absl::StatusOr<std::shared_ptr<const Tokenizer>> TokenizerFromGguf(const GgufFile& file);

}  // namespace waferline::model
