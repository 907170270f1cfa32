// Attributes and methods of values, with Python's meaning. Those that change their object are
// refused, as in the sandbox that templates are written for.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

using Arguments = CallArguments;

bool StartsOrEnds(const std::string& text, const std::string& part, bool starts) {
  return starts ? text.starts_with(part) : text.ends_with(part);
}

// startswith("a"), startswith(("a", "b"))
absl::StatusOr<Value> TestAffix(const Text& text, const Arguments& arguments, bool starts) {
  const Value* affix = arguments.Find(0, "prefix");
  const List* several = affix != nullptr ? affix->As<List>() : nullptr;
  if (several == nullptr) {
    WL_ASSIGN_OR_RETURN(const Text* one, TextArgument(arguments, 0, "prefix"));
    return Value(StartsOrEnds(text.bytes(), one->bytes(), starts));
  }
  for (const Value& item : several->items) {
    const Text* one = item.As<Text>();
    if (one != nullptr && StartsOrEnds(text.bytes(), one->bytes(), starts)) return Value(true);
  }
  return Value(false);
}

absl::StatusOr<Value> Strip(const Text& text, const Arguments& arguments, bool left, bool right) {
  const Value* given = arguments.Find(0, "chars");
  if (given == nullptr || given->is_none()) {
    return Value(TrimText(text, kWhiteSpace, left, right));
  }
  WL_ASSIGN_OR_RETURN(const Text* characters, TextArgument(arguments, 0, "chars"));
  return Value(TrimText(text, characters->bytes(), left, right));
}

absl::StatusOr<Value> Split(const Text& text, const Arguments& arguments, bool from_right) {
  int64_t most = -1;
  if (const Value* given = arguments.Find(1, "maxsplit")) {
    WL_ASSIGN_OR_RETURN(most, AsInteger(*given, "maxsplit"));
  }
  const Value* separator = arguments.Find(0, "sep");
  if (separator == nullptr || separator->is_none()) return Value(SplitText(text, "", most));
  WL_ASSIGN_OR_RETURN(const Text* by, TextArgument(arguments, 0, "sep"));
  if (by->empty()) return absl::InvalidArgumentError("sep is empty");
  List parts = SplitText(text, by->bytes(), from_right ? -1 : most);
  if (!from_right || most < 0 || static_cast<int64_t>(parts.items.size()) <= most + 1) {
    return Value(std::move(parts));
  }
  // The first parts stay together.
  const auto joined = parts.items.size() - static_cast<size_t>(most);
  size_t bytes = (joined - 1) * by->size();
  for (size_t i = 0; i < joined; ++i) bytes += parts.items[i].As<Text>()->size();
  List kept;
  kept.items.emplace_back(text.Slice(0, bytes));
  kept.items.insert(kept.items.end(), parts.items.begin() + static_cast<std::ptrdiff_t>(joined),
                    parts.items.end());
  return Value(std::move(kept));
}

List SplitLines(const Text& text) {
  List lines = SplitText(text, "\n", -1);
  if (!lines.items.empty() && lines.items.back().As<Text>()->empty()) lines.items.pop_back();
  return lines;
}

absl::StatusOr<Value> JoinItems(Interpreter& interpreter, const Text& separator,
                                const Arguments& arguments) {
  const Value* given = arguments.Find(0, "iterable");
  if (given == nullptr) return absl::InvalidArgumentError("needs a list");
  WL_ASSIGN_OR_RETURN(const List items, Iterate(*given));
  Text joined;
  for (size_t i = 0; i < items.items.size(); ++i) {
    if (i > 0) joined.Append(separator);
    joined.Append(Print(items.items[i]));
  }
  WL_RETURN_IF_ERROR(interpreter.UseBytes(static_cast<int64_t>(joined.size())));
  return Value(std::move(joined));
}

absl::StatusOr<Value> Replace(Interpreter& interpreter, const Text& text,
                              const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Text* from, TextArgument(arguments, 0, "old"));
  WL_ASSIGN_OR_RETURN(const Text* to, TextArgument(arguments, 1, "new"));
  int64_t most = -1;
  if (const Value* given = arguments.Find(2, "count")) {
    WL_ASSIGN_OR_RETURN(most, AsInteger(*given, "count"));
  }
  // Before it is made: an empty `old` stands between all characters.
  WL_RETURN_IF_ERROR(interpreter.UseBytes(static_cast<int64_t>(
      (text.size() / std::max<size_t>(1, from->size()) + 1) * to->size() + text.size())));
  return Value(ReplaceText(text, *from, *to, most));
}

absl::StatusOr<Value> FindPart(Interpreter& interpreter, const Text& text,
                               const Arguments& arguments, bool last) {
  WL_ASSIGN_OR_RETURN(const Text* part, TextArgument(arguments, 0, "sub"));
  // Backwards each place may be compared over the whole part.
  const size_t cost = last ? text.size() * part->size() / 16 : 0;
  WL_RETURN_IF_ERROR(interpreter.UseBytes(static_cast<int64_t>(cost)));
  const size_t at =
      last ? text.bytes().rfind(part->bytes()) : FindBytes(text.bytes(), part->bytes(), 0);
  if (at == std::string::npos) return Value(int64_t{-1});
  WL_ASSIGN_OR_RETURN(const int64_t characters, Length(Value(text.Slice(0, at))));
  return Value(characters);
}

absl::StatusOr<Value> CountPart(const Text& text, const Arguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Text* part, TextArgument(arguments, 0, "sub"));
  if (part->empty()) return absl::InvalidArgumentError("sub is empty");
  int64_t count = 0;
  for (size_t at = 0; (at = FindBytes(text.bytes(), part->bytes(), at)) != std::string::npos;
       at += part->size()) {
    ++count;
  }
  return Value(count);
}

absl::StatusOr<Value> RemoveAffix(const Text& text, const Arguments& arguments, bool prefix) {
  WL_ASSIGN_OR_RETURN(const Text* affix, TextArgument(arguments, 0, "prefix"));
  if (!StartsOrEnds(text.bytes(), affix->bytes(), prefix)) return Value(text);
  return Value(prefix ? text.Slice(affix->size(), text.size())
                      : text.Slice(0, text.size() - affix->size()));
}

Value All(const Text& text, bool (*of)(unsigned char)) {
  const std::string& bytes = text.bytes();
  return Value(!bytes.empty() && std::all_of(bytes.begin(), bytes.end(), [of](char c) {
    return of(static_cast<unsigned char>(c));
  }));
}

using TextFunction = absl::StatusOr<Value> (*)(Interpreter&, const Text&, const Arguments&);
struct NamedMethod {
  std::string_view name;
  TextFunction call;
};
#define WL_METHOD(expression)                                                       \
  [](Interpreter& in, const Text& t, const Arguments& a) -> absl::StatusOr<Value> { \
    static_cast<void>(in), static_cast<void>(a);                                    \
    return expression;                                                              \
  }
constexpr NamedMethod kTextMethods[] = {
    {"strip", WL_METHOD(Strip(t, a, true, true))},
    {"lstrip", WL_METHOD(Strip(t, a, true, false))},
    {"rstrip", WL_METHOD(Strip(t, a, false, true))},
    {"split", WL_METHOD(Split(t, a, false))},
    {"rsplit", WL_METHOD(Split(t, a, true))},
    {"splitlines", WL_METHOD(Value(SplitLines(t)))},
    {"startswith", WL_METHOD(TestAffix(t, a, true))},
    {"endswith", WL_METHOD(TestAffix(t, a, false))},
    {"removeprefix", WL_METHOD(RemoveAffix(t, a, true))},
    {"removesuffix", WL_METHOD(RemoveAffix(t, a, false))},
    {"replace", WL_METHOD(Replace(in, t, a))},
    {"join", WL_METHOD(JoinItems(in, t, a))},
    {"find", WL_METHOD(FindPart(in, t, a, false))},
    {"rfind", WL_METHOD(FindPart(in, t, a, true))},
    {"count", WL_METHOD(CountPart(t, a))},
    {"upper", WL_METHOD(Value(MapBytes(t, "upper")))},
    {"lower", WL_METHOD(Value(MapBytes(t, "lower")))},
    {"capitalize", WL_METHOD(Value(MapBytes(t, "capitalize")))},
    {"title", WL_METHOD(Value(MapBytes(t, "title")))},
    {"isdigit", WL_METHOD(All(t, absl::ascii_isdigit))},
    {"isalpha", WL_METHOD(All(t, absl::ascii_isalpha))},
    {"isalnum", WL_METHOD(All(t, absl::ascii_isalnum))},
    {"isspace", WL_METHOD(All(t, absl::ascii_isspace))},
};
#undef WL_METHOD

Value Bound(std::string_view name, std::function<absl::StatusOr<Value>(const Arguments&)> call) {
  return Value(Callable{std::string(name),
                        [call = std::move(call)](Interpreter&, const Arguments& arguments) {
                          return call(arguments);
                        }});
}

Value DictMethod(const Value& self, std::string_view name) {
  const auto of_items = [&](auto make) {
    return Bound(name, [self, make](const Arguments&) -> absl::StatusOr<Value> {
      List list;
      for (const auto& [key, value] : self.As<Dict>()->items())
        list.items.push_back(make(key, value));
      return Value(std::move(list));
    });
  };
  if (name == "items") {
    return of_items([](const Value& key, const Value& value) {
      return Value(List{.items = {key, value}, .tuple = true});
    });
  }
  if (name == "keys") return of_items([](const Value& key, const Value&) { return key; });
  if (name == "values") return of_items([](const Value&, const Value& value) { return value; });
  if (name == "copy") return Bound(name, [self](const Arguments&) { return self; });
  if (name != "get") return Value(Undefined{std::string(name)});
  return Bound(name, [self](const Arguments& arguments) -> absl::StatusOr<Value> {
    const Value* key = arguments.Find(0, "key");
    if (key == nullptr) return absl::InvalidArgumentError("needs a key");
    if (const Value* found = self.As<Dict>()->Find(*key)) return *found;
    const Value* otherwise = arguments.Find(1, "default");
    return otherwise != nullptr ? *otherwise : Value();
  });
}

Value ListMethod(const Value& self, std::string_view name) {
  const bool counts = name == "count";
  if (!counts && name != "index") return Value(Undefined{std::string(name)});
  return Bound(name, [self, counts](const Arguments& arguments) -> absl::StatusOr<Value> {
    const Value* wanted = arguments.Find(0, "value");
    if (wanted == nullptr) return absl::InvalidArgumentError("needs a value");
    int64_t count = 0, index = 0;
    for (const Value& item : self.As<List>()->items) {
      if (Equal(item, *wanted)) {
        if (!counts) return Value(index);
        ++count;
      }
      ++index;
    }
    if (!counts) return absl::InvalidArgumentError("the value is not in the list");
    return Value(count);
  });
}

Value LoopAttribute(const Value& self, std::string_view name) {
  const Loop& loop = *self.As<Loop>();
  const auto length = static_cast<int64_t>(loop.items->items.size());
  const auto index0 = static_cast<int64_t>(loop.index0);
  if (name == "index0") return Value(index0);
  if (name == "index") return Value(index0 + 1);
  if (name == "first") return Value(index0 == 0);
  if (name == "last") return Value(index0 + 1 == length);
  if (name == "length") return Value(length);
  if (name == "revindex") return Value(length - index0);
  if (name == "revindex0") return Value(length - index0 - 1);
  if (name == "depth") return Value(static_cast<int64_t>(loop.depth0) + 1);
  if (name == "depth0") return Value(static_cast<int64_t>(loop.depth0));
  if (name == "previtem" && index0 > 0) return loop.items->items[loop.index0 - 1];
  if (name == "nextitem" && index0 + 1 < length) return loop.items->items[loop.index0 + 1];
  if (name == "cycle") {
    return Bound(name, [at = loop.index0](const Arguments& arguments) -> absl::StatusOr<Value> {
      if (arguments.positional.empty()) return absl::InvalidArgumentError("needs an argument");
      return arguments.positional[at % arguments.positional.size()];
    });
  }
  if (name == "changed") {
    return Bound(name, [seen = loop.changed](const Arguments& a) -> absl::StatusOr<Value> {
      const Value now(List{.items = a.positional, .tuple = true});
      const bool changed = !Equal(*seen, now);
      *seen = now;
      return Value(changed);
    });
  }
  return Value(Undefined{"loop." + std::string(name)});
}

bool ChangesItsObject(std::string_view name) {
  for (const char* changing : {"append", "extend", "insert", "pop", "remove", "clear", "update",
                               "setdefault", "popitem", "sort", "reverse"}) {
    if (name == changing) return true;
  }
  return false;
}

}  // namespace

Value TextMethod(const Value& text, std::string_view name) {
  for (const NamedMethod& method : kTextMethods) {
    if (method.name != name) continue;
    return Value(
        Callable{std::string(name),
                 [text, call = method.call](Interpreter& interpreter,
                                            const Arguments& arguments) -> absl::StatusOr<Value> {
                   const Text& self = *text.As<Text>();
                   WL_RETURN_IF_ERROR(interpreter.UseBytes(static_cast<int64_t>(self.size())));
                   return call(interpreter, self, arguments);
                 }});
  }
  return Value(Undefined{std::string(name)});
}

absl::StatusOr<Value> Attribute(const Value& value, std::string_view name) {
  if (const Undefined* missing = value.As<Undefined>()) {
    return absl::InvalidArgumentError(absl::StrCat("'", missing->name, "' is undefined"));
  }
  if (value.As<Text>() != nullptr) return TextMethod(value, name);
  if (value.As<Loop>() != nullptr) return LoopAttribute(value, name);
  if (const Namespace* fields = value.As<Namespace>()) {
    const auto it = fields->fields.find(name);
    return it != fields->fields.end() ? it->second : Value(Undefined{std::string(name)});
  }
  const bool container = value.As<Dict>() != nullptr || value.As<List>() != nullptr;
  if (const Dict* dict = value.As<Dict>()) {
    Value method = DictMethod(value, name);
    if (!method.is_undefined()) return method;
    if (const Value* found = dict->Find(name)) return *found;
  }
  if (value.As<List>() != nullptr) {
    Value method = ListMethod(value, name);
    if (!method.is_undefined()) return method;
  }
  if (container && ChangesItsObject(name)) {
    return Bound(name, [](const Arguments&) -> absl::StatusOr<Value> {
      return absl::InvalidArgumentError("templates may not change lists or mappings");
    });
  }
  return Value(Undefined{std::string(name)});
}

}  // namespace waferline::jinja
