#include "wafer_backend/compute/model/name_finder.h"

namespace waferline::model {

void NameFinder::Add(std::string_view name, TokenId id) {
  if (name.empty() || name.size() > kLongestName) return;
  first_bytes_[static_cast<uint8_t>(name[0])] = true;
  uint32_t node = 0;
  for (char byte : name) {
    const auto [edge, added] =
        edges_.emplace(Edge(node, byte), static_cast<uint32_t>(ends_.size()));
    if (added) ends_.push_back(kNone);
    node = edge->second;
  }
  if (ends_[node] == kNone) ends_[node] = id;
}

std::optional<NameFinder::Match> NameFinder::At(std::string_view text, size_t begin) const {
  if (!first_bytes_[static_cast<uint8_t>(text[begin])]) return std::nullopt;
  std::optional<Match> longest;
  uint32_t node = 0;
  for (size_t i = begin; i < text.size(); ++i) {
    const auto edge = edges_.find(Edge(node, text[i]));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (ends_[node] != kNone) longest = Match{begin, i + 1 - begin, ends_[node]};
  }
  return longest;
}

std::optional<NameFinder::Match> NameFinder::Next(std::string_view text, size_t begin) const {
  if (empty()) return std::nullopt;
  for (size_t i = begin; i < text.size(); ++i) {
    if (auto match = At(text, i)) return match;
  }
  return std::nullopt;
}

}  // namespace waferline::model
