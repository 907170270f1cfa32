// A flag of a command, as a value: what the parser, the help, the manual page and the completion of
// a shell are made from.
//
//   IntegerFlag("max-tokens", "N", "end the answer after N tokens", {1, 4096}).Default(16)
//   TextFlag("layers", "FIRST:END", "the layers it holds").Required().With("role", {"shard"})
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace waferline::cli {

struct Flag {
  enum class Kind : uint8_t { kSwitch, kText, kInteger, kNumber };
  // The flag is read only if `flag` has one of `values`; without values, if it is given at all.
  // Or only if the optional operand of this name is given ("MODEL" for "[MODEL]").
  struct Condition {
    std::string flag;
    std::vector<std::string> values;
    std::string operand = "";
  };

  std::string name;  // without dashes, words separated by '-'; '_' is accepted for it
  Kind kind = Kind::kSwitch;
  std::string value;  // how the help calls the value: "FILE"
  std::string summary;
  std::optional<std::string> fallback;  // what Arguments gives when the flag is absent
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
  std::vector<std::string> choices;  // values that completion offers
  bool only_choices = false;         // and no other is allowed
  bool required = false;             // where its condition holds
  bool writes_file = false;          // the value is a file that the command writes
  bool repeatable = false;           // may be given several times: Arguments::Texts has all values
  std::optional<Condition> condition;
  std::vector<std::string> aliases;  // other names, without dashes

  template <typename T>
  Flag Default(T unless_given) const {
    Flag flag = *this;
    flag.fallback = absl::StrCat(unless_given);
    return flag;
  }
  Flag Required() const;
  Flag Repeatable() const;
  Flag With(std::string flag, std::vector<std::string> values = {}) const;
  Flag WithOperand(std::string name) const;
  Flag Suggest(std::vector<std::string> values) const;
  Flag Alias(std::string name) const;
};

struct IntegerRange {
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
};
struct NumberRange {
  double min = 0;
  double max = std::numeric_limits<double>::max();
};

// --name: on or off.
Flag Switch(std::string name, std::string summary);
// --name VALUE. Without Default the flag is optional: ask Arguments::Has first.
Flag TextFlag(std::string name, std::string value, std::string summary);
// --name FILE, which the command writes at its end: a file that cannot be written, or a number in
// its place, is refused before `run` is called.
Flag OutputFlag(std::string name, std::string summary);
// One of `choices`; checked before `run` is called, like the ranges below.
Flag ChoiceFlag(std::string name, std::string value, std::string summary,
                std::vector<std::string> choices);
// A whole number.
Flag IntegerFlag(std::string name, std::string value, std::string summary, IntegerRange range);
// A finite number.
Flag NumberFlag(std::string name, std::string value, std::string summary, NumberRange range);

// nullopt: `flag` may have this value; otherwise what is wrong with it.
std::optional<std::string> WrongValue(const Flag& flag, const std::string& value);

// "--role shard or prefill", "--trace", "MODEL": what the condition asks for.
std::string TextOf(const Flag::Condition& condition);

}  // namespace waferline::cli
