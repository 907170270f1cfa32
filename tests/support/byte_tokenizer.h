// A vocabulary that a reader can do in his head: each byte is its own token, then come control
// tokens from 256 on, then longer texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wafer_backend/compute/model/tokenizer.h"

namespace waferline {

struct ByteVocabulary {
  std::vector<std::string> control = {"<s>", "</s>"};
  std::vector<std::string> texts = {};
  std::optional<TokenId> bos = 256;   // put in front of prompts
  std::vector<TokenId> ends = {257};  // of a text, then of a turn if there are two
};

class ByteTokenizer : public model::Tokenizer {
 public:
  static constexpr TokenId kEnd = 257;  // of the default vocabulary

  explicit ByteTokenizer(ByteVocabulary words = {}) : words_(std::move(words)) {
    for (int b = 0; b < 256; ++b) pieces_.emplace_back(1, static_cast<char>(b));
    pieces_.insert(pieces_.end(), words_.control.begin(), words_.control.end());
    pieces_.insert(pieces_.end(), words_.texts.begin(), words_.texts.end());
  }
  std::vector<TokenId> EncodeSegments(std::span<const model::TextSegment> segments,
                                      bool add_special) const override {
    std::vector<TokenId> ids;
    if (add_special && words_.bos) ids.push_back(*words_.bos);
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
  int64_t size() const override { return std::ssize(pieces_); }
  bool IsSpecial(TokenId id) const override {
    return id >= 256 && id < 256 + std::ssize(words_.control);
  }
  std::optional<TokenId> FindSpecial(std::string_view name) const override {
    for (TokenId id = 256; IsSpecial(id); ++id) {
      if (Piece(id) == name) return id;
    }
    return std::nullopt;
  }
  std::optional<TokenId> bos() const override { return words_.bos; }
  std::optional<TokenId> eos() const override { return words_.ends.front(); }
  std::optional<TokenId> eot() const override {
    return words_.ends.size() > 1 ? std::optional(words_.ends[1]) : std::nullopt;
  }
  const std::vector<TokenId>& end_ids() const override { return words_.ends; }
  bool adds_bos() const override { return words_.bos.has_value(); }
  bool adds_eos() const override { return false; }
  std::string Description() const override { return "bytes"; }

 private:
  const ByteVocabulary words_;
  std::vector<std::string> pieces_;
};

}  // namespace waferline
