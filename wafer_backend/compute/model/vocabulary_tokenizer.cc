#include "wafer_backend/compute/model/vocabulary_tokenizer.h"

#include <limits>
#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::model {

VocabularyTokenizer::VocabularyTokenizer(Vocabulary vocabulary, std::vector<std::string> pieces,
                                         bool space_prefix)
    : vocabulary_(std::move(vocabulary)), pieces_(std::move(pieces)), space_prefix_(space_prefix) {
  WL_CHECK(pieces_.size() == vocabulary_.tokens.size());
  for (TokenId id = 0; id < vocabulary_.size(); ++id) {
    if (vocabulary_.Is(id, TokenType::kControl) || vocabulary_.Is(id, TokenType::kUnknown)) {
      control_.Add(vocabulary_.tokens[id], id);
    } else if (vocabulary_.Is(id, TokenType::kUserDefined)) {
      user_defined_.Add(pieces_[id], id);
    }
  }
}

std::vector<TokenId> VocabularyTokenizer::EncodeSegments(std::span<const TextSegment> segments,
                                                         bool add_special) const {
  std::vector<TokenId> ids;
  if (add_special && vocabulary_.add_bos) ids.push_back(*vocabulary_.bos);
  std::string pending;  // text since the last control token, over the borders of segments
  bool after_control = true;
  const auto flush = [&] {
    if (pending.empty()) return;
    WL_CHECK(pending.size() < std::numeric_limits<int32_t>::max());
    EncodeText(pending, after_control, ids);
    pending.clear();
    after_control = false;
  };
  for (const TextSegment& segment : segments) {
    size_t done = 0;
    while (segment.parse_special) {
      const auto match = control_.Next(segment.text, done);
      if (!match) break;
      pending.append(segment.text, done, match->begin - done);
      flush();
      ids.push_back(match->id);
      after_control = after_control || vocabulary_.Is(match->id, TokenType::kControl);
      done = match->begin + match->length;
    }
    pending.append(segment.text, done);
  }
  flush();
  if (add_special && vocabulary_.add_eos) ids.push_back(*vocabulary_.eos);
  return ids;
}

std::string VocabularyTokenizer::Decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string text;
  bool after_control = true;
  for (TokenId id : ids) {
    WL_CHECK(valid(id));
    if (!IsSpecial(id)) {
      std::string_view piece = pieces_[id];
      if (space_prefix_ && after_control && piece.starts_with(' ')) piece.remove_prefix(1);
      text += piece;
    } else if (!skip_special) {
      text += pieces_[id];
    }
    // As in EncodeSegments: the unknown token's name in a text changes nothing.
    if (!vocabulary_.Is(id, TokenType::kUnknown)) {
      after_control = vocabulary_.Is(id, TokenType::kControl);
    }
  }
  return text;
}

bool VocabularyTokenizer::IsSpecial(TokenId id) const {
  return vocabulary_.Is(id, TokenType::kControl) || vocabulary_.Is(id, TokenType::kUnknown) ||
         vocabulary_.Is(id, TokenType::kUnused);
}

std::optional<TokenId> VocabularyTokenizer::FindSpecial(std::string_view name) const {
  const auto found = vocabulary_.special_ids.find(std::string(name));
  if (found == vocabulary_.special_ids.end()) return std::nullopt;
  return found->second;
}

}  // namespace waferline::model
