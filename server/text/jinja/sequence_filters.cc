#include "server/text/jinja/sequence_filters.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"

namespace waferline::jinja {
namespace {

// a.b.0 of each item; undefined where it is missing.
absl::StatusOr<Value> Field(const Value& item, const Value& path) {
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

}  // namespace

absl::StatusOr<Value> Map(Interpreter& interpreter, const Value& input,
                          const CallArguments& arguments) {
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

absl::StatusOr<Value> Select(Interpreter& interpreter, const Value& input,
                             const CallArguments& arguments, Selection selection) {
  const auto [keeps, of_attribute] = selection;
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

absl::StatusOr<Value> Sort(Interpreter& interpreter, const Value& input,
                           const CallArguments& arguments) {
  WL_ASSIGN_OR_RETURN(const List items, Iterate(input));
  WL_RETURN_IF_ERROR(interpreter.UseSteps(static_cast<int64_t>(items.items.size())));
  const bool reverse = FlagArgument(arguments, 0, "reverse", false);
  const bool sensitive = FlagArgument(arguments, 1, "case_sensitive", false);
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

absl::StatusOr<Value> DictSort(Interpreter&, const Value& input, const CallArguments& arguments) {
  const Dict* dict = input.As<Dict>();
  if (dict == nullptr) return absl::InvalidArgumentError("takes a mapping");
  const bool sensitive = FlagArgument(arguments, 0, "case_sensitive", false);
  const Value* by = arguments.Find(1, "by");
  const bool reverse = FlagArgument(arguments, 2, "reverse", false);
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

absl::StatusOr<Value> Unique(Interpreter& interpreter, const Value& input, const CallArguments&) {
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

absl::StatusOr<Value> Sum(Interpreter& interpreter, const Value& input,
                          const CallArguments& arguments) {
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

absl::StatusOr<Value> Extreme(const Value& input, bool largest) {
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

absl::StatusOr<Value> Reverse(const Value& input) {
  const Value step(int64_t{-1});
  if (input.As<Text>() != nullptr) return Slice(input, nullptr, nullptr, &step);
  WL_ASSIGN_OR_RETURN(List items, Iterate(input));
  std::reverse(items.items.begin(), items.items.end());
  return Value(std::move(items));
}

absl::StatusOr<Value> Edge(const Value& input, bool first) {
  WL_ASSIGN_OR_RETURN(const List items, Iterate(input));
  if (items.items.empty()) return Value(Undefined{first ? "first" : "last"});
  return first ? items.items.front() : items.items.back();
}

absl::StatusOr<Value> Items(const Value& input) {
  if (input.is_undefined()) return Value(List{});
  if (input.As<Dict>() == nullptr) return absl::InvalidArgumentError("takes a mapping");
  List items;
  for (const auto& [key, value] : input.As<Dict>()->items()) {
    items.items.emplace_back(List{.items = {key, value}, .tuple = true});
  }
  return Value(std::move(items));
}

absl::StatusOr<Value> AsList(const Value& value) {
  WL_ASSIGN_OR_RETURN(List items, Iterate(value));
  return Value(List{.items = std::move(items.items)});
}
absl::StatusOr<Value> Join(Interpreter& interpreter, const Value& input,
                           const CallArguments& arguments) {
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

}  // namespace waferline::jinja
