// Finds names of tokens in a text: at each position the longest one. A value, immutable once
// filled; any thread. A prefix tree: a lookup costs at most the longest name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "wafer_backend/base/ids.h"

namespace waferline::model {

class NameFinder {
 public:
  struct Match {
    size_t begin = 0;
    size_t length = 0;
    TokenId id = 0;
  };
  // Longer names are never found: no model has them, and they would make a search slow.
  static constexpr size_t kLongestName = 256;

  // An empty or too long name is left out; of equal names the first stays.
  void Add(std::string_view name, TokenId id);
  bool empty() const { return ends_.size() == 1; }

  // The longest name that `text` begins with at `begin`.
  std::optional<Match> At(std::string_view text, size_t begin) const;
  // The leftmost name from `begin` on, of those the longest.
  std::optional<Match> Next(std::string_view text, size_t begin) const;

 private:
  static constexpr TokenId kNone = -1;
  static uint64_t Edge(uint32_t node, char byte) {
    return uint64_t{node} << 8 | static_cast<uint8_t>(byte);
  }
  std::array<bool, 256> first_bytes_{};
  std::unordered_map<uint64_t, uint32_t> edges_;
  std::vector<TokenId> ends_{kNone};  // by node: the name that ends there
};

}  // namespace waferline::model
