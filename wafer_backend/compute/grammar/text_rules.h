// Sets of texts (char_automaton.h) as rules over bytes: as UTF-8, or inside the quotation marks of
// a JSON string. A text has one way to be written in a string: what must be escaped is, by its
// short escape or \u00xx, and nothing else; so a key cannot be written in a second way.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "wafer_backend/compute/grammar/char_automaton.h"
#include "wafer_backend/compute/grammar/rules.h"

namespace waferline::grammar {

class TextRules {
 public:
  enum class Writing : uint8_t { kUtf8, kJsonString };

  // `builder` must outlive this.
  TextRules(RuleBuilder* builder, Writing writing) : builder_(builder), writing_(writing) {}

  // One of the automaton's texts leads from `from` to `to`.
  void Add(const CharAutomaton& texts, StateId from, StateId to);
  // One character of `chars`.
  void AddChars(const CharSet& chars, StateId from, StateId to);

 private:
  struct ByteRange {
    uint8_t lo, hi;
    auto operator<=>(const ByteRange&) const = default;
  };
  void AddRange(CharRange range, StateId from, StateId to);
  void AddAscii(CharRange range, StateId from, StateId to);
  void AddEscaped(CharRange range, StateId from, StateId to);
  void AddLong(CharRange range, StateId from, StateId to);
  void AddSequence(const std::vector<ByteRange>& bytes, StateId from, StateId to);
  // Any character of two bytes or more; any that must be escaped.
  RuleId LongCharacter();
  RuleId EscapedCharacter();

  RuleBuilder* const builder_;
  const Writing writing_;
  std::optional<RuleId> long_character_, escaped_character_;
  // The states between the bytes of a character, by what is still to come.
  std::map<std::pair<std::vector<ByteRange>, StateId>, StateId> between_;
};

}  // namespace waferline::grammar
