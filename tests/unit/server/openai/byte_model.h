// A model whose tokens are bytes, for tests of the codec: id b is byte b, then the start token, the
// end token, and one token of several letters.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/text/served_model.h"

namespace waferline::openai {

inline constexpr TokenId kBos = 256, kEos = 257, kHello = 258, kChatMlStart = 259, kChatMlEnd = 260;

class ByteTokenizer final : public model::Tokenizer {
 public:
  ByteTokenizer() {
    for (int b = 0; b < 256; ++b) pieces_.push_back(std::string(1, static_cast<char>(b)));
    for (const char* name : {"<s>", "</s>", " hello", "<|im_start|>", "<|im_end|>"}) {
      pieces_.push_back(name);
    }
  }
  std::vector<TokenId> EncodeSegments(std::span<const model::TextSegment> segments,
                                      bool add_special) const override {
    std::vector<TokenId> ids;
    if (add_special) ids.push_back(kBos);
    for (const auto& segment : segments) {
      for (const char c : segment.text) ids.push_back(static_cast<unsigned char>(c));
    }
    return ids;
  }
  std::string Decode(std::span<const TokenId> ids, bool skip_special) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (!skip_special || !IsSpecial(id)) text += pieces_[id];
    }
    return text;
  }
  std::string_view Piece(TokenId id) const override { return pieces_[id]; }
  std::string_view RawPiece(TokenId id) const override { return pieces_[id]; }
  int64_t size() const override { return static_cast<int64_t>(pieces_.size()); }
  bool IsSpecial(TokenId id) const override { return id >= 256 && id != kHello; }
  std::optional<TokenId> FindSpecial(std::string_view name) const override {
    for (const TokenId id : {kBos, kEos, kChatMlStart, kChatMlEnd}) {
      if (pieces_[id] == name) return id;
    }
    return std::nullopt;
  }
  std::optional<TokenId> bos() const override { return kBos; }
  std::optional<TokenId> eos() const override { return kEos; }
  std::optional<TokenId> eot() const override { return kChatMlEnd; }
  const std::vector<TokenId>& end_ids() const override { return end_ids_; }
  bool adds_bos() const override { return true; }
  bool adds_eos() const override { return false; }
  std::string Description() const override { return "bytes"; }

 private:
  std::vector<std::string> pieces_;
  std::vector<TokenId> end_ids_ = {kEos, kChatMlEnd};
};

// "bytes" chats (chatml) and has a context of 1000 tokens; "mute" has no chat template; "thinker"'s
// template opens its reasoning unless enable_thinking is false.
inline text::ModelCatalog ByteCatalog() {
  const auto tokenizer = std::make_shared<ByteTokenizer>();
  const auto make = [&](std::string name, absl::StatusOr<text::ChatTemplate> chat) {
    return std::make_shared<const text::ServedModel>(
        text::ServedModel{.name = std::move(name),
                          .tokenizer = tokenizer,
                          .chat = std::move(chat),
                          .context_tokens = Tokens(1000),
                          .origin_label = "computed: bytes",
                          .grammars = std::make_shared<grammar::GrammarCompiler>(tokenizer)});
  };
  constexpr const char* kThinker =
      "{{ messages[0].content }}{{ '</think>' if enable_thinking is false else '<think>\\n' }}";
  return text::ModelCatalog(
      {make("bytes", *text::ChatTemplate::Named("chatml", tokenizer)),
       make("mute", absl::UnimplementedError("its template is not known")),
       make("thinker", text::ChatTemplate::FromText("t", kThinker, tokenizer))});
}

}  // namespace waferline::openai
