// A vocabulary that a reader can do in his head: each byte is its own token, 256 begins and 257
// ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/text/served_model.h"
#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline {

class ByteTokenizer : public model::Tokenizer {
 public:
  static constexpr TokenId kBegin = 256;
  static constexpr TokenId kEnd = 257;

  ByteTokenizer() {
    for (int i = 0; i < 256; ++i) pieces_.emplace_back(1, static_cast<char>(i));
    pieces_.insert(pieces_.end(), {"<s>", "</s>"});
  }
  std::vector<TokenId> EncodeSegments(std::span<const model::TextSegment> segments,
                                      bool add_special) const override {
    std::vector<TokenId> ids;
    if (add_special) ids.push_back(kBegin);
    for (const auto& segment : segments) {
      for (const char c : segment.text) ids.push_back(static_cast<unsigned char>(c));
    }
    return ids;
  }
  std::string Decode(std::span<const TokenId> ids, bool skip_special) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (!skip_special || !IsSpecial(id)) text += Piece(id);
    }
    return text;
  }
  std::string_view Piece(TokenId id) const override { return pieces_.at(static_cast<size_t>(id)); }
  std::string_view RawPiece(TokenId id) const override { return Piece(id); }
  int64_t size() const override { return 258; }
  bool IsSpecial(TokenId id) const override { return id >= 256; }
  std::optional<TokenId> FindSpecial(std::string_view name) const override {
    if (name == "<s>") return kBegin;
    if (name == "</s>") return kEnd;
    return std::nullopt;
  }
  std::optional<TokenId> bos() const override { return kBegin; }
  std::optional<TokenId> eos() const override { return kEnd; }
  std::optional<TokenId> eot() const override { return std::nullopt; }
  const std::vector<TokenId>& end_ids() const override { return end_ids_; }
  bool adds_bos() const override { return true; }
  bool adds_eos() const override { return false; }
  std::string Description() const override { return "bytes"; }

 private:
  std::vector<std::string> pieces_;
  std::vector<TokenId> end_ids_ = {kEnd};
};

// "bytes", which chats in the plain family, and "silent", which does not chat.
inline text::ModelCatalog ByteModels(int64_t context = 128, bool only_one = false) {
  auto tokenizer = std::make_shared<ByteTokenizer>();
  std::vector<std::shared_ptr<const text::ServedModel>> models;
  models.push_back(std::make_shared<text::ServedModel>(
      text::ServedModel{.name = "bytes",
                        .tokenizer = tokenizer,
                        .chat = text::ChatTemplate::Named("plain", tokenizer),
                        .context_tokens = Tokens(context),
                        .origin_label = "computed: bytes",
                        .grammars = std::make_shared<grammar::GrammarCompiler>(tokenizer)}));
  if (!only_one) {
    models.push_back(std::make_shared<text::ServedModel>(
        text::ServedModel{.name = "silent",
                          .tokenizer = tokenizer,
                          .chat = absl::UnimplementedError("it has no chat template"),
                          .context_tokens = Tokens(context),
                          .origin = text::TokenOrigin::kEmulated,
                          .grammars = std::make_shared<grammar::GrammarCompiler>(tokenizer)}));
  }
  return text::ModelCatalog(std::move(models));
}

}  // namespace waferline
