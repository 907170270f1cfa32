// {{ value | filter }}.
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "server/text/jinja/sequence_filters.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

using Result = absl::StatusOr<Value>;

Result Default(Interpreter&, const Value& input, const CallArguments& arguments) {
  const bool falsy_too = FlagArgument(arguments, 1, "boolean", false);
  if (!input.is_undefined() && (!falsy_too || Truth(input))) return input;
  const Value* otherwise = arguments.Find(0, "default_value");
  return otherwise != nullptr ? *otherwise : Value(Text());
}

Result Trim(Interpreter&, const Value& input, const CallArguments& arguments) {
  std::string characters(kWhiteSpace);
  if (const Value* given = arguments.Find(0, "chars"); given != nullptr && !given->is_none()) {
    characters = Print(*given).bytes();
  }
  return Value(TrimText(Print(input), characters, true, true));
}

// upper, lower, replace ...: the method of the text.
Result OfText(Interpreter& interpreter, std::string_view method, const Value& input,
              const CallArguments& arguments) {
  return interpreter.Call(TextMethod(Value(Print(input)), method), arguments);
}

Result Indent(Interpreter& interpreter, const Value& input, const CallArguments& arguments) {
  if (input.As<Text>() == nullptr) return absl::InvalidArgumentError("takes a text");
  Text by("    ");
  if (const Value* width = arguments.Find(0, "width")) {
    if (const Text* text = width->As<Text>()) {
      by = *text;
    } else {
      WL_ASSIGN_OR_RETURN(const int64_t count, AsInteger(*width, "width"));
      if (count < 0 || count > 200) return absl::InvalidArgumentError("width is not in [0, 200]");
      by = Text(std::string(static_cast<size_t>(count), ' '));
    }
  }
  const bool first = FlagArgument(arguments, 1, "first", false);
  const bool blank = FlagArgument(arguments, 2, "blank", false);
  const List lines = SplitText(Print(input), "\n", -1);
  Text out;
  for (size_t i = 0; i < lines.items.size(); ++i) {
    const Text& line = *lines.items[i].As<Text>();
    if (i > 0) out.Append("\n");
    if ((i > 0 || first) && (blank || !line.empty())) out.Append(by);
    out.Append(line);
  }
  WL_RETURN_IF_ERROR(interpreter.UseBytes(static_cast<int64_t>(out.size())));
  return Value(std::move(out));
}

absl::Status Missing(const Value& input) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", input.As<Undefined>()->name, "' is undefined"));
}

Result ToInteger(const Value& input, const CallArguments& arguments) {
  const Value* otherwise = arguments.Find(0, "default");
  if (input.is_undefined()) return Missing(input);
  if (const Text* text = input.As<Text>()) {
    const std::string bytes = TrimText(*text, kWhiteSpace, true, true).bytes();
    double number = 0;
    const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), number);
    const bool whole = error == std::errc() && end == bytes.data() + bytes.size();
    if (whole && std::fabs(number) < 9e15) return Value(static_cast<int64_t>(number));
  } else if (input.is_number() && std::fabs(AsDouble(input)) < 9e18) {
    return input.As<int64_t>() != nullptr ? input : Value(static_cast<int64_t>(AsDouble(input)));
  }
  return otherwise != nullptr ? *otherwise : Value(int64_t{0});
}

Result ToFloat(const Value& input, const CallArguments& arguments) {
  const Value* otherwise = arguments.Find(0, "default");
  if (input.is_undefined()) return Missing(input);
  if (input.is_number()) return Value(AsDouble(input));
  if (const Text* text = input.As<Text>()) {
    const std::string bytes = TrimText(*text, kWhiteSpace, true, true).bytes();
    double number = 0;
    const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), number);
    if (error == std::errc() && end == bytes.data() + bytes.size()) return Value(number);
  }
  return otherwise != nullptr ? *otherwise : Value(0.0);
}

Result Round(const Value& input, const CallArguments& arguments) {
  if (!input.is_number()) return absl::InvalidArgumentError("takes a number");
  if (input.As<double>() == nullptr) return ApplyUnary("+", input);
  int64_t digits = 0;
  if (const Value* given = arguments.Find(0, "precision")) {
    WL_ASSIGN_OR_RETURN(digits, AsInteger(*given, "precision"));
    if (digits < 0 || digits > 15) return absl::InvalidArgumentError("precision is not in [0, 15]");
  }
  const Value* given = arguments.Find(1, "method");
  const std::string method = given != nullptr ? Print(*given).bytes() : "common";
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double scaled = AsDouble(input) * scale;
  return Value((method == "ceil"    ? std::ceil(scaled)
                : method == "floor" ? std::floor(scaled)
                                    : std::nearbyint(scaled)) /
               scale);
}

Result Json(Interpreter& interpreter, const Value& input, const CallArguments& arguments) {
  int64_t indent = -1;
  if (const Value* given = arguments.Find(0, "indent"); given != nullptr && !given->is_none()) {
    WL_ASSIGN_OR_RETURN(indent, AsInteger(*given, "indent"));
    if (indent < 0 || indent > 16) return absl::InvalidArgumentError("indent is not in [0, 16]");
  }
  WL_ASSIGN_OR_RETURN(Text text, ToJson(input, indent));
  WL_RETURN_IF_ERROR(interpreter.UseBytes(static_cast<int64_t>(text.size())));
  return Value(std::move(text));
}

Result Escape(const Value& input) {
  Text text = Print(input);
  for (const auto& [from, to] :
       {std::pair("&", "&amp;"), std::pair("<", "&lt;"), std::pair(">", "&gt;"),
        std::pair("'", "&#39;"), std::pair("\"", "&#34;")}) {
    text = ReplaceText(text, Text(from), Text(to), -1);
  }
  return Value(std::move(text));
}

using Filter = Result (*)(Interpreter&, const Value&, const CallArguments&);
struct NamedFilter {
  std::string_view name;
  Filter apply;
};
#define WL_FILTER(...)                                                    \
  [](Interpreter& in, const Value& v, const CallArguments& a) -> Result { \
    static_cast<void>(in), static_cast<void>(v), static_cast<void>(a);    \
    return __VA_ARGS__;                                                   \
  }
absl::StatusOr<Value> Count(const Value& value) {
  WL_ASSIGN_OR_RETURN(const int64_t length, Length(value));
  return Value(length);
}
absl::StatusOr<Value> Absolute(const Value& value) {
  if (!value.is_number()) return absl::InvalidArgumentError("takes a number");
  return ApplyUnary(AsDouble(value) < 0 ? "-" : "+", value);
}
absl::StatusOr<Value> Format(const Value& value, const CallArguments& arguments) {
  WL_ASSIGN_OR_RETURN(Text text,
                      FormatPercent(Print(value), Value(List{arguments.positional, true})));
  return Value(std::move(text));
}

constexpr NamedFilter kFilters[] = {
    {"abs", WL_FILTER(Absolute(v))},
    {"attr", WL_FILTER(a.positional.empty() ? Result(absl::InvalidArgumentError("needs a name"))
                                            : Attribute(v, Print(a.positional[0]).bytes()))},
    {"capitalize", WL_FILTER(OfText(in, "capitalize", v, a))},
    {"count", WL_FILTER(Count(v))},
    {"d", Default},
    {"default", Default},
    {"dictsort", DictSort},
    {"e", WL_FILTER(Escape(v))},
    {"escape", WL_FILTER(Escape(v))},
    {"first", WL_FILTER(Edge(v, true))},
    {"float", WL_FILTER(ToFloat(v, a))},
    {"format", WL_FILTER(Format(v, a))},
    {"indent", Indent},
    {"int", WL_FILTER(ToInteger(v, a))},
    {"items", WL_FILTER(Items(v))},
    {"join", Join},
    {"last", WL_FILTER(Edge(v, false))},
    {"length", WL_FILTER(Count(v))},
    {"list", WL_FILTER(AsList(v))},
    {"lower", WL_FILTER(OfText(in, "lower", v, a))},
    {"map", Map},
    {"max", WL_FILTER(Extreme(v, true))},
    {"min", WL_FILTER(Extreme(v, false))},
    {"reject", WL_FILTER(Select(in, v, a, Selection{false, false}))},
    {"rejectattr", WL_FILTER(Select(in, v, a, Selection{false, true}))},
    {"replace", WL_FILTER(OfText(in, "replace", v, a))},
    {"reverse", WL_FILTER(Reverse(v))},
    {"round", WL_FILTER(Round(v, a))},
    {"safe", WL_FILTER(Value(Print(v)))},
    {"select", WL_FILTER(Select(in, v, a, Selection{true, false}))},
    {"selectattr", WL_FILTER(Select(in, v, a, Selection{true, true}))},
    {"sort", Sort},
    {"string", WL_FILTER(Value(Print(v)))},
    {"sum", Sum},
    {"title", WL_FILTER(Value(MapBytes(Print(v), "title words")))},
    {"tojson", Json},
    {"trim", Trim},
    {"unique", Unique},
    {"upper", WL_FILTER(OfText(in, "upper", v, a))},
};
#undef WL_FILTER

}  // namespace

absl::StatusOr<Value> Interpreter::ApplyFilter(std::string_view name, const Value& input,
                                               const CallArguments& arguments) {
  for (const NamedFilter& filter : kFilters) {
    if (filter.name != name) continue;
    WL_RETURN_IF_ERROR(UseBytes(input.extent().bytes));
    auto result = filter.apply(*this, input, arguments);
    if (result.ok()) return result;
    return absl::Status(result.status().code(),
                        absl::StrCat("filter '", Absl(name), "': ", result.status().message()));
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown filter '", Absl(name), "'"));
}

}  // namespace waferline::jinja
