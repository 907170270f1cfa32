// What the language comes with. Each function gives InvalidArgument saying what it got and what it
// takes; the interpreter adds the line. Those with an Interpreter charge it for what they make.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "server/text/jinja/interpreter.h"
#include "server/text/jinja/value.h"

namespace waferline::jinja {

// operators.cc. `name` is + - * / // % ** ~.
absl::StatusOr<Value> ApplyBinary(Interpreter& interpreter, std::string_view name, const Value& a,
                                  const Value& b);
absl::StatusOr<Value> ApplyUnary(std::string_view name, const Value& operand);
absl::StatusOr<bool> Contains(const Value& container, const Value& item);
// container[key], and container[start:stop:step] with null for what is left out.
absl::StatusOr<Value> Subscript(const Value& container, const Value& key);
absl::StatusOr<Value> Slice(const Value& container, const Value* start, const Value* stop,
                            const Value* step);
// The items that a for visits: of a list, the keys of a mapping, the characters of a text, none of
// what is undefined.
absl::StatusOr<List> Iterate(const Value& value);
// len(): items, keys or characters.
absl::StatusOr<int64_t> Length(const Value& value);

// methods.cc: value.name, a bound method or a field; undefined if there is none.
absl::StatusOr<Value> Attribute(const Value& value, std::string_view name);
// text_methods.cc, as a call: `name` of a str, null if str has no such method.
Value TextMethod(const Value& text, std::string_view name);

// functions.cc: range, dict, namespace, raise_exception, strftime_now ...; undefined if unknown.
Value GlobalFunction(std::string_view name);

// json_text.cc: json.dumps(value, ensure_ascii=False) as transformers sets it. `indent` < 0: one
// line.
absl::StatusOr<Text> ToJson(const Value& value, int64_t indent);

// The offset of `part` in `bytes` from `from` on, or npos; linear whatever the texts (memmem).
size_t FindBytes(std::string_view bytes, std::string_view part, size_t from);

// A text that stands for a method's result, with the origins of its parts.
Text TrimText(const Text& text, std::string_view characters, bool left, bool right);
List SplitText(const Text& text, std::string_view separator, int64_t max_splits);
Text ReplaceText(const Text& text, const Text& from, const Text& to, int64_t max_count);
Text MapBytes(
    const Text& text,
    std::string_view how);  // upper, lower, capitalize, title (str.title), title words (the filter)
// Python's % and .format with the conversions that templates use.
absl::StatusOr<Text> FormatPercent(const Text& format, const Value& values);

// The argument as text, or InvalidArgument naming it.
absl::StatusOr<const Text*> TextArgument(const CallArguments& arguments, size_t place,
                                         std::string_view name);

// Whether the argument is true; `otherwise` if it is not given.
bool FlagArgument(const CallArguments& arguments, size_t place, std::string_view name,
                  bool otherwise);

// White space as Python's str.strip sees it within ASCII.
inline constexpr std::string_view kWhiteSpace = " \t\n\r\f\v";

}  // namespace waferline::jinja
