// Reads the characters of a regular expression: single ones, escapes, classes, counts. A cursor
// over the pattern; errors say at which byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "wafer_backend/compute/grammar/char_automaton.h"

namespace waferline::grammar {

class PatternReader {
 public:
  explicit PatternReader(std::string_view pattern) : pattern_(pattern) {}

  bool done() const { return at_ >= pattern_.size(); }
  char peek() const { return done() ? '\0' : pattern_[at_]; }
  bool Take(char c) {
    if (done() || pattern_[at_] != c) return false;
    ++at_;
    return true;
  }
  void Skip() { ++at_; }
  absl::Status Error(std::string_view what) const;

  // What one atom stands for: a character, an escape, '.', or a class in brackets.
  absl::StatusOr<CharSet> TakeCharacters();
  // {n}, {n,} or {n,m}; none if the brace is an ordinary character. `max` is 2^32 - 1 without
  // limit.
  absl::StatusOr<std::optional<std::pair<uint32_t, uint32_t>>> TakeCounts();

 private:
  absl::StatusOr<CharSet> TakeClass();
  absl::StatusOr<CharSet> TakeEscape(bool in_class);
  absl::StatusOr<uint32_t> TakeHex(size_t digits);
  absl::StatusOr<uint32_t> TakeUnicode();
  uint32_t TakeChar();
  std::optional<uint32_t> TakeNumber();

  std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace waferline::grammar
