// The methods of texts, with Python's meaning.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"

namespace waferline::jinja {
namespace {

bool StartsOrEnds(const std::string& text, const std::string& part, bool starts) {
  return starts ? text.starts_with(part) : text.ends_with(part);
}

// startswith("a"), startswith(("a", "b"))
absl::StatusOr<Value> TestAffix(const Text& text, const CallArguments& arguments, bool starts) {
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

absl::StatusOr<Value> Strip(const Text& text, const CallArguments& arguments, bool left,
                            bool right) {
  const Value* given = arguments.Find(0, "chars");
  if (given == nullptr || given->is_none()) {
    return Value(TrimText(text, kWhiteSpace, left, right));
  }
  WL_ASSIGN_OR_RETURN(const Text* characters, TextArgument(arguments, 0, "chars"));
  return Value(TrimText(text, characters->bytes(), left, right));
}

absl::StatusOr<Value> Split(const Text& text, const CallArguments& arguments, bool from_right) {
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
                                const CallArguments& arguments) {
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
                              const CallArguments& arguments) {
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
                               const CallArguments& arguments, bool last) {
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

absl::StatusOr<Value> CountPart(const Text& text, const CallArguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Text* part, TextArgument(arguments, 0, "sub"));
  if (part->empty()) return absl::InvalidArgumentError("sub is empty");
  int64_t count = 0;
  for (size_t at = 0; (at = FindBytes(text.bytes(), part->bytes(), at)) != std::string::npos;
       at += part->size()) {
    ++count;
  }
  return Value(count);
}

absl::StatusOr<Value> RemoveAffix(const Text& text, const CallArguments& arguments, bool prefix) {
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

using TextFunction = absl::StatusOr<Value> (*)(Interpreter&, const Text&, const CallArguments&);
struct NamedMethod {
  std::string_view name;
  TextFunction call;
};
#define WL_METHOD(expression)                                                           \
  [](Interpreter& in, const Text& t, const CallArguments& a) -> absl::StatusOr<Value> { \
    static_cast<void>(in), static_cast<void>(a);                                        \
    return expression;                                                                  \
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

}  // namespace

Value TextMethod(const Value& text, std::string_view name) {
  for (const NamedMethod& method : kTextMethods) {
    if (method.name != name) continue;
    return Value(Callable{
        std::string(name),
        [text, call = method.call](Interpreter& interpreter,
                                   const CallArguments& arguments) -> absl::StatusOr<Value> {
          const Text& self = *text.As<Text>();
          WL_RETURN_IF_ERROR(interpreter.UseBytes(static_cast<int64_t>(self.size())));
          return call(interpreter, self, arguments);
        }});
  }
  return Value(Undefined{std::string(name)});
}

}  // namespace waferline::jinja
