// A vocabulary of all bytes, some longer texts, an end token and a control token.
#pragma once

#include <string>
#include <vector>

#include "wafer_backend/compute/grammar/compiler.h"

namespace waferline::grammar {

inline constexpr TokenId kEnd = 256, kCall = 257, kFirstText = 258;

class BytesAndTexts final : public model::Tokenizer {
 public:
  explicit BytesAndTexts(std::vector<std::string> texts = {}) {
    for (int b = 0; b < 256; ++b) pieces_.push_back(std::string(1, static_cast<char>(b)));
    pieces_.push_back("</s>");
    pieces_.push_back("[CALL]");
    for (std::string& text : texts) pieces_.push_back(std::move(text));
  }
  std::vector<TokenId> EncodeSegments(std::span<const model::TextSegment> segments,
                                      bool) const override {
    std::vector<TokenId> ids;
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
  bool IsSpecial(TokenId id) const override { return id == kEnd || id == kCall; }
  std::optional<TokenId> FindSpecial(std::string_view name) const override {
    if (name == "</s>") return kEnd;
    if (name == "[CALL]") return kCall;
    return std::nullopt;
  }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return kEnd; }
  std::optional<TokenId> eot() const override { return std::nullopt; }
  const std::vector<TokenId>& end_ids() const override { return end_ids_; }
  bool adds_bos() const override { return false; }
  bool adds_eos() const override { return false; }
  std::string Description() const override { return "bytes and texts"; }

 private:
  std::vector<std::string> pieces_;
  std::vector<TokenId> end_ids_ = {kEnd};
};

// Whether the constraint lets `text` come, byte by byte, and end there.
inline bool Takes(const TokenConstraint& constraint, std::string_view text) {
  const auto cursor = constraint.Start();
  for (const char c : text) {
    const auto id = static_cast<TokenId>(static_cast<unsigned char>(c));
    if (!cursor->Allowed()->Contains(id)) return false;
    cursor->Append(id);
  }
  return cursor->Allowed()->Contains(kEnd);
}

}  // namespace waferline::grammar
