// What a GBNF grammar is written with: names, counts, characters, classes, spaces and comments.
// Inner part of gbnf.h. Bounds: counts up to kMaxItemCount.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"
#include "wafer_backend/compute/grammar/char_automaton.h"

namespace waferline::grammar {

class GbnfReader {
 public:
  static constexpr uint32_t kMaxItemCount = 2000;
  static constexpr uint32_t kAnyCount = 0xffffffff;

  explicit GbnfReader(std::string_view text) : text_(text) {}

 protected:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool done() const { return at_ >= text_.size(); }
  bool Take(std::string_view text) {
    if (!text_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("in line ", line_, " of the grammar: ", Absl(what)));
  }
  // Spaces and comments; also line ends, if `lines`.
  void SkipSpace(bool lines);
  // Empty if none begins here.
  std::string TakeName();
  // The least and the most, kAnyCount if there is none, of the item before: 1 and 1 without one.
  absl::StatusOr<std::pair<uint32_t, uint32_t>> TakeQuantifier();
  // One character or escape of a text or class that `closing` ends.
  absl::StatusOr<uint32_t> TakeCharacter(char closing);
  // Behind its '['.
  absl::StatusOr<CharSet> TakeClass();

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;

 private:
  std::optional<uint32_t> TakeNumber();
};

}  // namespace waferline::grammar
