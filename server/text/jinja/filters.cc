// {{ value | filter }}.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

using Result = absl::StatusOr<Value>;

// a.b.0 of each item; undefined where it is missing.
Result Field(const Value& item, const Value& path) {
  if (path.As<Text>() == nullptr) return Subscript(item, path);
  Value at = item;
  const List names = SplitText(*path.As<Text>(), ".", -1);
  for (const Value& name : names.items) {
    if (at.is_undefined()) return at;
    const std::string& text = name.As<Text>()->bytes();
    int64_t index = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
    const bool is_index = error == std::errc() && end == text.data() + text.size();
    WL_ASSIGN_OR_RETURN(at, Subscript(at, is_index ? Value(index) : name));
  }
  return at;
}

absl::StatusOr<bool> Flag(const CallArguments& arguments, size_t place, std::string_view name,
                          bool otherwise) {
  const Value* given = arguments.Find(place, name);
  return given != nullptr ? Truth(*given) : otherwise;
}

CallArguments Rest(const CallArguments& arguments, size_t from) {
  CallArguments rest;
  rest.named = arguments.named;
  for (size_t i = from; i < arguments.positional.size(); ++i) {
    rest.positional.push_back(arguments.positional[i]);
  }
  return rest;
}

// What map, select and reject visit: nothing at all in a value that is false.
absl::StatusOr<List> ItemsOf(const Value& input) {
  if (!Truth(input)) return List{};
  return Iterate(input);
}

Result Default(Interpreter&, const Value& input, const CallArguments& arguments) {
  WL_ASSIGN_OR_RETURN(const bool falsy_too, Flag(arguments, 1, "boolean", false));
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

Result Join(Interpreter& interpreter, const Value& input, const CallArguments& arguments) {
  WL_ASSIGN_OR_RETURN(List items, Iterate(input));
  if (const Value* attribute = arguments.Find(1, "attribute")) {
    for (Value& item : items.items) {
      WL_ASSIGN_OR_RETURN(item, Field(item, *attribute));
    }
  }
  const Value* separator = arguments.Find(0, "d");
  CallArguments call;
  call.positional.emplace_back(std::move(items));
  return interpreter.Call(
      TextMethod(Value(separator != nullptr ? Print(*separator) : Text()), "join"), call);
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
  WL_ASSIGN_OR_RETURN(const bool first, Flag(arguments, 1, "first", false));
  WL_ASSIGN_OR_RETURN(const bool blank, Flag(arguments, 2, "blank", false));
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

Result Edge(const Value& input, bool first) {
  WL_ASSIGN_OR_RETURN(const List items, Iterate(input));
  if (items.items.empty()) return Value(Undefined{first ? "first" : "last"});
  return first ? items.items.front() : items.items.back();
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

Result Map(Interpreter& interpreter, const Value& input, const CallArguments& arguments) {
  WL_ASSIGN_OR_RETURN(List items, ItemsOf(input));
  const Value* attribute = arguments.positional.empty() ? arguments.Find(0, "attribute") : nullptr;
  const Value* otherwise = arguments.Find(99, "default");
  std::string filter;
  if (attribute == nullptr) {
    WL_ASSIGN_OR_RETURN(const Text* name, TextArgument(arguments, 0, "filter"));
    filter = name->bytes();
  }
  const CallArguments rest = Rest(arguments, 1);
  for (Value& item : items.items) {
    WL_RETURN_IF_ERROR(interpreter.UseSteps(1));
    if (attribute == nullptr) {
      WL_ASSIGN_OR_RETURN(item, interpreter.ApplyFilter(filter, item, rest));
      continue;
    }
    WL_ASSIGN_OR_RETURN(item, Field(item, *attribute));
    if (item.is_undefined() && otherwise != nullptr) item = *otherwise;
  }
  return Value(std::move(items));
}

// select, reject, selectattr, rejectattr.
Result Select(Interpreter& interpreter, const Value& input, const CallArguments& arguments,
              bool keeps, bool of_attribute) {
  WL_ASSIGN_OR_RETURN(const List items, ItemsOf(input));
  const Value* attribute = of_attribute ? arguments.Find(0, "attribute") : nullptr;
  if (of_attribute && attribute == nullptr) return absl::InvalidArgumentError("needs an attribute");
  const size_t place = of_attribute ? 1 : 0;
  const Value* test = arguments.Find(place, "test");
  const CallArguments rest = Rest(arguments, place + 1);
  List kept;
  for (const Value& item : items.items) {
    WL_RETURN_IF_ERROR(interpreter.UseSteps(1));
    Value subject = item;
    if (of_attribute) {
      WL_ASSIGN_OR_RETURN(subject, Field(item, *attribute));
    }
    bool passed = Truth(subject);
    if (test != nullptr) {
      WL_ASSIGN_OR_RETURN(passed, interpreter.ApplyTest(Print(*test).bytes(), subject, rest));
    }
    if (passed == keeps) kept.items.push_back(item);
  }
  return Value(std::move(kept));
}

// A stable sort by an order that may fail.
absl::Status SortBy(std::vector<std::pair<Value, Value>>& keyed, bool reverse) {
  absl::Status status;
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    const auto less = reverse ? Less(b.first, a.first) : Less(a.first, b.first);
    if (!less.ok()) status.Update(less.status());
    return less.ok() && *less;
  });
  return status;
}

// Sorting and uniqueness compare texts without case, as Jinja does by default.
Value SortKey(const Value& value, bool case_sensitive) {
  const Text* text = value.As<Text>();
  return text != nullptr && !case_sensitive ? Value(MapBytes(*text, "lower")) : value;
}

Result Sort(Interpreter& interpreter, const Value& input, const CallArguments& arguments) {
  WL_ASSIGN_OR_RETURN(const List items, Iterate(input));
  WL_RETURN_IF_ERROR(interpreter.UseSteps(static_cast<int64_t>(items.items.size())));
  WL_ASSIGN_OR_RETURN(const bool reverse, Flag(arguments, 0, "reverse", false));
  WL_ASSIGN_OR_RETURN(const bool sensitive, Flag(arguments, 1, "case_sensitive", false));
  const Value* attribute = arguments.Find(2, "attribute");
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : items.items) {
    Value key = item;
    if (attribute != nullptr) {
      WL_ASSIGN_OR_RETURN(key, Field(item, *attribute));
    }
    keyed.emplace_back(SortKey(key, sensitive), item);
  }
  WL_RETURN_IF_ERROR(SortBy(keyed, reverse));
  List sorted;
  for (auto& [key, item] : keyed) sorted.items.push_back(std::move(item));
  return Value(std::move(sorted));
}

Result DictSort(Interpreter&, const Value& input, const CallArguments& arguments) {
  const Dict* dict = input.As<Dict>();
  if (dict == nullptr) return absl::InvalidArgumentError("takes a mapping");
  WL_ASSIGN_OR_RETURN(const bool sensitive, Flag(arguments, 0, "case_sensitive", false));
  const Value* by = arguments.Find(1, "by");
  WL_ASSIGN_OR_RETURN(const bool reverse, Flag(arguments, 2, "reverse", false));
  const bool by_value = by != nullptr && Print(*by).bytes() == "value";
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : dict->items()) {
    keyed.emplace_back(SortKey(by_value ? value : key, sensitive),
                       Value(List{.items = {key, value}, .tuple = true}));
  }
  WL_RETURN_IF_ERROR(SortBy(keyed, reverse));
  List sorted;
  for (auto& [key, item] : keyed) sorted.items.push_back(std::move(item));
  return Value(std::move(sorted));
}

Result Unique(Interpreter& interpreter, const Value& input, const CallArguments&) {
  WL_ASSIGN_OR_RETURN(const List items, Iterate(input));
  Dict seen;
  List kept;
  for (const Value& item : items.items) {
    WL_RETURN_IF_ERROR(interpreter.UseSteps(1));
    const Value key = SortKey(item, false);
    if (seen.Find(key) != nullptr) continue;
    seen.Set(key, Value(true));
    kept.items.push_back(item);
  }
  return Value(std::move(kept));
}

Result Sum(Interpreter& interpreter, const Value& input, const CallArguments& arguments) {
  WL_ASSIGN_OR_RETURN(const List items, Iterate(input));
  const Value* attribute = arguments.Find(0, "attribute");
  const Value* start = arguments.Find(1, "start");
  Value total = start != nullptr ? *start : Value(int64_t{0});
  for (const Value& item : items.items) {
    Value part = item;
    if (attribute != nullptr) {
      WL_ASSIGN_OR_RETURN(part, Field(item, *attribute));
    }
    WL_ASSIGN_OR_RETURN(total, ApplyBinary(interpreter, "+", total, part));
  }
  return total;
}

Result Extreme(const Value& input, bool largest) {
  WL_ASSIGN_OR_RETURN(const List items, Iterate(input));
  if (items.items.empty()) return Value(Undefined{largest ? "max" : "min"});
  Value best = items.items.front();
  for (const Value& item : items.items) {
    WL_ASSIGN_OR_RETURN(const bool better, Less(SortKey(largest ? best : item, false),
                                                SortKey(largest ? item : best, false)));
    if (better) best = item;
  }
  return best;
}

Result Reverse(const Value& input) {
  const Value step(int64_t{-1});
  if (input.As<Text>() != nullptr) return Slice(input, nullptr, nullptr, &step);
  WL_ASSIGN_OR_RETURN(List items, Iterate(input));
  std::reverse(items.items.begin(), items.items.end());
  return Value(std::move(items));
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

Result Items(const Value& input) {
  if (input.is_undefined()) return Value(List{});
  if (input.As<Dict>() == nullptr) return absl::InvalidArgumentError("takes a mapping");
  List items;
  for (const auto& [key, value] : input.As<Dict>()->items()) {
    items.items.emplace_back(List{.items = {key, value}, .tuple = true});
  }
  return Value(std::move(items));
}

using Filter = Result (*)(Interpreter&, const Value&, const CallArguments&);
struct NamedFilter {
  std::string_view name;
  Filter apply;
};
#define WL_FILTER(expression)                                             \
  [](Interpreter& in, const Value& v, const CallArguments& a) -> Result { \
    static_cast<void>(in), static_cast<void>(v), static_cast<void>(a);    \
    return expression;                                                    \
  }
absl::StatusOr<Value> AsList(const Value& value) {
  WL_ASSIGN_OR_RETURN(List items, Iterate(value));
  return Value(List{.items = std::move(items.items)});
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
    {"reject", WL_FILTER(Select(in, v, a, false, false))},
    {"rejectattr", WL_FILTER(Select(in, v, a, false, true))},
    {"replace", WL_FILTER(OfText(in, "replace", v, a))},
    {"reverse", WL_FILTER(Reverse(v))},
    {"round", WL_FILTER(Round(v, a))},
    {"safe", WL_FILTER(Value(Print(v)))},
    {"select", WL_FILTER(Select(in, v, a, true, false))},
    {"selectattr", WL_FILTER(Select(in, v, a, true, true))},
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
