#include "wafer_backend/compute/grammar/vocabulary_tries.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/compute/grammar/rules.h"
#include "wafer_backend/compute/model/utf8.h"

namespace waferline::grammar {
namespace {

// How many plain characters the text is; 0 if it has others.
size_t PlainCharacters(std::string_view text) {
  size_t count = 0;
  while (!text.empty()) {
    const model::Utf8Start start = model::StartOf(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (start.kind != model::Utf8Start::kCharacter || first < 0x20 || first == '"' ||
        first == '\\') {
      return 0;
    }
    const std::string_view character = text.substr(0, start.length);
    if (character == "\u2028" || character == "\u2029") return 0;
    text.remove_prefix(start.length);
    ++count;
  }
  return count;
}

using Texts = std::vector<std::pair<std::string_view, TokenId>>;

// `sorted` texts become the nodes of a tree. Tokens of the same text become siblings.
Trie TrieOf(const Texts& sorted) {
  Trie out;
  std::vector<TrieNode>& trie = out.nodes;
  std::vector<uint32_t> path;  // nodes of the text before
  std::string_view before;
  for (const auto& [text, id] : sorted) {
    size_t shared = 0;
    while (shared < text.size() && shared < before.size() && text[shared] == before[shared]) {
      ++shared;
    }
    if (shared == text.size()) --shared;
    for (size_t i = path.size(); i > shared; --i) {
      trie[path[i - 1]].behind = static_cast<uint32_t>(trie.size());
    }
    path.resize(shared);
    for (size_t i = shared; i < text.size(); ++i) {
      path.push_back(static_cast<uint32_t>(trie.size()));
      trie.push_back({0, -1, static_cast<uint16_t>(i + 1), static_cast<uint8_t>(text[i])});
    }
    trie.back().token = id;
    before = text;
  }
  for (const uint32_t node : path) trie[node].behind = static_cast<uint32_t>(trie.size());
  for (uint32_t i = 0; i < trie.size(); i = trie[i].behind) {
    Trie::Range& range = out.of_first[trie[i].byte];
    if (range.end == 0) range.begin = i;
    range.end = trie[i].behind;
  }
  return out;
}

void FillGroup(std::array<Texts, kMaxPlainRun + 1> by_length, size_t words, TokenGroup* group) {
  group->plain_up_to[0].assign(words, 0);
  for (size_t length = 0; length <= kMaxPlainRun; ++length) {
    Texts& texts = by_length[length];
    std::stable_sort(texts.begin(), texts.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    (length == 0 ? group->other : group->plain[length]) = TrieOf(texts);
    if (length == 0) continue;
    std::vector<uint64_t>& bits = group->plain_up_to[length];
    bits = group->plain_up_to[length - 1];
    for (const auto& [text, id] : texts) bits[id / 64] |= uint64_t{1} << id % 64;
  }
}

bool InUtf8(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text[0]);
  return text.size() > 1 || (byte < 0xf5 && byte != 0xc0 && byte != 0xc1);
}

}  // namespace

VocabularyTries::VocabularyTries(const model::Tokenizer& tokenizer)
    : texts_(static_cast<size_t>(tokenizer.size())),
      end_ids_(tokenizer.end_ids()),
      words_((texts_.size() + 63) / 64) {
  std::array<std::array<Texts, kMaxPlainRun + 1>, 2> sorted;
  for (size_t i = 0; i < texts_.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::string_view piece = tokenizer.Piece(id);
    const bool control = tokenizer.IsSpecial(id);
    if (piece.empty() || (!control && !InUtf8(piece)) || piece.size() >= 0xffff) continue;
    // Unknown and unused tokens are special and have no name to be found by.
    if (control && tokenizer.FindSpecial(piece) != id) continue;
    texts_[i] = control ? std::string(1, kControlMark).append(piece) : std::string(piece);
    const std::string_view text = texts_[i];
    const size_t plain = control ? 0 : PlainCharacters(text);
    sorted[text.size() > kShortBytes ? 1 : 0][plain <= kMaxPlainRun ? plain : 0].emplace_back(text,
                                                                                              id);
    if (text.size() == 1) single_bytes_[static_cast<uint8_t>(text[0])] = true;
    single_bytes_[static_cast<uint8_t>(kControlMark)] |= control;
    by_text_.try_emplace(text, id);
    longest_ = std::max(longest_, text.size());
  }
  for (size_t g = 0; g < groups_.size(); ++g) FillGroup(std::move(sorted[g]), words_, &groups_[g]);
}

std::string_view VocabularyTries::TextOf(TokenId id) const {
  if (id < 0 || static_cast<size_t>(id) >= texts_.size()) return {};
  return texts_[id];
}

bool VocabularyTries::HasControl(std::string_view name) const {
  return by_text_.contains(std::string(1, kControlMark).append(name));
}

TokenId VocabularyTries::LongestPrefix(std::string_view text) const {
  for (size_t length = std::min(text.size(), longest_); length > 0; --length) {
    if (const auto found = by_text_.find(text.substr(0, length)); found != by_text_.end()) {
      return found->second;
    }
  }
  return -1;
}

}  // namespace waferline::grammar
