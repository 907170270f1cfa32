#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

constexpr size_t kMaxIteratedBytes = 1'000'000;

absl::Status WrongTypes(std::string_view name, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (const Undefined* missing = value->As<Undefined>()) {
      return absl::InvalidArgumentError(absl::StrCat("'", missing->name, "' is undefined"));
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("'", Absl(name), "' cannot take ",
                                                 Absl(TypeName(a)), " and ", Absl(TypeName(b))));
}

absl::StatusOr<Value> Divide(std::string_view name, const Value& a, const Value& b) {
  const double divisor = AsDouble(b);
  if (divisor == 0) return absl::InvalidArgumentError("division by zero");
  if (name == "/") return Value(AsDouble(a) / divisor);
  if (a.As<double>() != nullptr || b.As<double>() != nullptr) {
    const double floor = std::floor(AsDouble(a) / divisor);
    return Value(name == "//" ? floor : AsDouble(a) - floor * divisor);
  }
  WL_ASSIGN_OR_RETURN(const int64_t x, AsInteger(a, ""));
  WL_ASSIGN_OR_RETURN(const int64_t y, AsInteger(b, ""));
  if (y == -1) return name == "//" ? ApplyUnary("-", Value(x)) : Value(int64_t{0});
  const int64_t rest = x % y;
  const bool down = rest != 0 && (rest < 0) != (y < 0);  // Python rounds towards -infinity
  return Value(name == "//" ? x / y - (down ? 1 : 0) : rest + (down ? y : 0));
}

absl::StatusOr<Value> Calculate(std::string_view name, const Value& a, const Value& b) {
  if (name == "/" || name == "//" || name == "%") return Divide(name, a, b);
  const bool whole = a.As<double>() == nullptr && b.As<double>() == nullptr;
  if (name == "**") {
    const double power = std::pow(AsDouble(a), AsDouble(b));
    if (!whole || AsDouble(b) < 0) return Value(power);
    if (std::fabs(power) > 1e15) return absl::InvalidArgumentError("the number is too large");
    return Value(static_cast<int64_t>(power));
  }
  if (!whole) {
    const double x = AsDouble(a), y = AsDouble(b);
    return Value(name == "+" ? x + y : name == "-" ? x - y : x * y);
  }
  WL_ASSIGN_OR_RETURN(const int64_t x, AsInteger(a, ""));
  WL_ASSIGN_OR_RETURN(const int64_t y, AsInteger(b, ""));
  int64_t result = 0;
  const bool overflow = name == "+"   ? __builtin_add_overflow(x, y, &result)
                        : name == "-" ? __builtin_sub_overflow(x, y, &result)
                                      : __builtin_mul_overflow(x, y, &result);
  if (overflow) return absl::InvalidArgumentError("the number is too large");
  return Value(result);
}

absl::StatusOr<Value> Repeat(Interpreter& interpreter, const Value& sequence, int64_t count) {
  count = std::max<int64_t>(count, 0);
  if (const Text* text = sequence.As<Text>()) {
    int64_t bytes = 0;
    if (__builtin_mul_overflow(count, static_cast<int64_t>(text->size()), &bytes)) bytes = -1;
    WL_RETURN_IF_ERROR(interpreter.UseBytes(bytes));
    Text repeated;
    for (int64_t i = 0; i < count && !text->empty(); ++i) repeated.Append(*text);
    return Value(std::move(repeated));
  }
  const List& list = *sequence.As<List>();
  List repeated;
  repeated.tuple = list.tuple;
  for (int64_t i = 0; i < count && !list.items.empty(); ++i) {
    WL_RETURN_IF_ERROR(interpreter.UseSteps(static_cast<int64_t>(list.items.size())));
    repeated.items.insert(repeated.items.end(), list.items.begin(), list.items.end());
  }
  return Value(std::move(repeated));
}

// Offsets of the characters of UTF-8 bytes, and the size.
std::vector<size_t> CharacterOffsets(const std::string& bytes) {
  std::vector<size_t> offsets;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if ((static_cast<unsigned char>(bytes[i]) & 0xc0) != 0x80) offsets.push_back(i);
  }
  offsets.push_back(bytes.size());
  return offsets;
}

absl::StatusOr<std::optional<int64_t>> Bound(const Value* value) {
  if (value == nullptr || value->is_none()) return std::optional<int64_t>();
  WL_ASSIGN_OR_RETURN(const int64_t bound, AsInteger(*value, "a slice's bound"));
  return std::optional<int64_t>(bound);
}

// Python's slice.indices(): the places in order.
absl::StatusOr<std::vector<int64_t>> SlicePlaces(int64_t length, const Value* start,
                                                 const Value* stop, const Value* step) {
  WL_ASSIGN_OR_RETURN(const auto begin, Bound(start));
  WL_ASSIGN_OR_RETURN(const auto end, Bound(stop));
  WL_ASSIGN_OR_RETURN(const auto by, Bound(step));
  const int64_t stride = by.value_or(1);
  if (stride == 0) return absl::InvalidArgumentError("a slice's step is 0");
  const int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? length : length - 1;
  const auto place = [&](std::optional<int64_t> at, int64_t otherwise) {
    if (!at) return otherwise;
    return std::min(std::max(*at < 0 ? *at + length : *at, low), high);
  };
  std::vector<int64_t> places;
  const int64_t last = place(end, stride > 0 ? length : -1);
  int64_t at = place(begin, stride > 0 ? 0 : length - 1);
  while (stride > 0 ? at < last : at > last) {
    places.push_back(at);
    if (__builtin_add_overflow(at, stride, &at)) break;
  }
  return places;
}

}  // namespace

absl::StatusOr<Value> ApplyBinary(Interpreter& interpreter, std::string_view name, const Value& a,
                                  const Value& b) {
  const Text *ta = a.As<Text>(), *tb = b.As<Text>();
  const List *la = a.As<List>(), *lb = b.As<List>();
  if (name == "~" || (name == "+" && ta != nullptr && tb != nullptr)) {
    Text joined = Print(a);
    joined.Append(Print(b));
    WL_RETURN_IF_ERROR(interpreter.UseBytes(static_cast<int64_t>(joined.size())));
    return Value(std::move(joined));
  }
  if (name == "+" && la != nullptr && lb != nullptr) {
    WL_RETURN_IF_ERROR(
        interpreter.UseSteps(static_cast<int64_t>(la->items.size() + lb->items.size())));
    List joined = *la;
    joined.items.insert(joined.items.end(), lb->items.begin(), lb->items.end());
    return Value(std::move(joined));
  }
  if (name == "*") {
    const bool left = ta != nullptr || la != nullptr, right = tb != nullptr || lb != nullptr;
    const Value& count = left ? b : a;
    if (left != right && count.is_number() && count.As<double>() == nullptr) {
      WL_ASSIGN_OR_RETURN(const int64_t times, AsInteger(count, ""));
      return Repeat(interpreter, left ? a : b, times);
    }
  }
  if (name == "%" && ta != nullptr) {
    WL_ASSIGN_OR_RETURN(Text text, FormatPercent(*ta, b));
    WL_RETURN_IF_ERROR(interpreter.UseBytes(static_cast<int64_t>(text.size())));
    return Value(std::move(text));
  }
  if (!a.is_number() || !b.is_number()) return WrongTypes(name, a, b);
  return Calculate(name, a, b);
}

absl::StatusOr<Value> ApplyUnary(std::string_view name, const Value& operand) {
  if (name == "not") return Value(!Truth(operand));
  if (!operand.is_number()) return WrongTypes(name, operand, Value(int64_t{0}));
  if (const double* d = operand.As<double>()) return Value(name == "-" ? -*d : *d);
  WL_ASSIGN_OR_RETURN(const int64_t integer, AsInteger(operand, ""));
  if (name == "+") return Value(integer);
  int64_t negated = 0;
  if (__builtin_sub_overflow(int64_t{0}, integer, &negated)) {
    return absl::InvalidArgumentError("the number is too large");
  }
  return Value(negated);
}

absl::StatusOr<bool> Contains(const Value& container, const Value& item) {
  if (const Text* text = container.As<Text>()) {
    const Text* part = item.As<Text>();
    if (part == nullptr) return WrongTypes("in", item, container);
    return FindBytes(text->bytes(), part->bytes(), 0) != std::string_view::npos;
  }
  if (const List* list = container.As<List>()) {
    for (const Value& candidate : list->items) {
      if (Equal(candidate, item)) return true;
    }
    return false;
  }
  if (const Dict* dict = container.As<Dict>()) return dict->Find(item) != nullptr;
  if (const Namespace* fields = container.As<Namespace>()) {
    const Text* name = item.As<Text>();
    return name != nullptr && fields->fields.contains(name->bytes());
  }
  if (container.is_undefined()) return false;
  return absl::InvalidArgumentError(
      absl::StrCat("'in' cannot look into ", Absl(TypeName(container))));
}

absl::StatusOr<Value> Subscript(const Value& container, const Value& key) {
  if (const Dict* dict = container.As<Dict>()) {
    if (const Value* found = dict->Find(key)) return *found;
  } else if (const int64_t* given = key.As<int64_t>();
             given != nullptr &&
             (container.As<List>() != nullptr || container.As<Text>() != nullptr)) {
    WL_ASSIGN_OR_RETURN(const int64_t length, Length(container));
    const int64_t at = *given < 0 ? *given + length : *given;
    if (at < 0 || at >= length) return Value(Undefined{"item " + std::to_string(*given)});
    if (const List* list = container.As<List>()) return list->items[static_cast<size_t>(at)];
    const Text& text = *container.As<Text>();
    const auto offsets = CharacterOffsets(text.bytes());
    return Value(
        text.Slice(offsets[static_cast<size_t>(at)], offsets[static_cast<size_t>(at) + 1]));
  }
  if (const Text* name = key.As<Text>()) {
    WL_ASSIGN_OR_RETURN(Value value, Attribute(container, name->bytes()));
    return value;
  }
  if (const Undefined* missing = container.As<Undefined>()) {
    return absl::InvalidArgumentError(absl::StrCat("'", missing->name, "' is undefined"));
  }
  return Value(Undefined{Print(key).bytes()});
}

absl::StatusOr<Value> Slice(const Value& container, const Value* start, const Value* stop,
                            const Value* step) {
  if (const Text* text = container.As<Text>()) {
    const auto offsets = CharacterOffsets(text->bytes());
    WL_ASSIGN_OR_RETURN(const auto places,
                        SlicePlaces(static_cast<int64_t>(offsets.size()) - 1, start, stop, step));
    Text part;
    if (step == nullptr && !places.empty()) {
      return Value(text->Slice(offsets[static_cast<size_t>(places.front())],
                               offsets[static_cast<size_t>(places.back()) + 1]));
    }
    for (const int64_t at : places) {
      part.Append(
          text->Slice(offsets[static_cast<size_t>(at)], offsets[static_cast<size_t>(at) + 1]));
    }
    return Value(std::move(part));
  }
  const List* list = container.As<List>();
  if (list == nullptr) return WrongTypes("[:]", container, Value());
  WL_ASSIGN_OR_RETURN(const auto places,
                      SlicePlaces(static_cast<int64_t>(list->items.size()), start, stop, step));
  List part;
  part.tuple = list->tuple;
  for (const int64_t at : places) part.items.push_back(list->items[static_cast<size_t>(at)]);
  return Value(std::move(part));
}

absl::StatusOr<List> Iterate(const Value& value) {
  List items;
  if (const List* list = value.As<List>()) return *list;
  if (const Dict* dict = value.As<Dict>()) {
    for (const auto& [key, unused] : dict->items()) items.items.push_back(key);
    return items;
  }
  if (const Text* text = value.As<Text>()) {
    if (text->size() > kMaxIteratedBytes) {
      return absl::ResourceExhaustedError(absl::StrCat("a text of more than ", kMaxIteratedBytes,
                                                       " bytes is visited by character"));
    }
    const auto offsets = CharacterOffsets(text->bytes());
    for (size_t i = 0; i + 1 < offsets.size(); ++i) {
      items.items.emplace_back(text->Slice(offsets[i], offsets[i + 1]));
    }
    return items;
  }
  if (value.is_undefined()) return items;
  return absl::InvalidArgumentError(absl::StrCat(Absl(TypeName(value)), " is not iterable"));
}

absl::StatusOr<int64_t> Length(const Value& value) {
  if (const List* list = value.As<List>()) return static_cast<int64_t>(list->items.size());
  if (const Dict* dict = value.As<Dict>()) return static_cast<int64_t>(dict->items().size());
  if (const Text* text = value.As<Text>()) {
    return static_cast<int64_t>(CharacterOffsets(text->bytes()).size()) - 1;
  }
  if (value.is_undefined()) return 0;
  return absl::InvalidArgumentError(absl::StrCat(Absl(TypeName(value)), " has no length"));
}

}  // namespace waferline::jinja
