// What an expression of a template is: Python's values as far as chat templates use them. Values
// are immutable and shared, except for namespaces, which templates assign to. Thread: the one that
// renders.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "server/text/jinja/text.h"

namespace waferline::jinja {

class Interpreter;
class Value;

struct Undefined {
  std::string name;  // of what is missing, for the error
};
struct None {};
// How much it takes to walk a value: what is shared counts each time it is reached.
struct Extent {
  int64_t bytes = 1;  // of all texts in it, and one for each value
  int depth = 0;      // lists in lists
  void Hold(const Extent& inner);
};
struct List {
  std::vector<Value> items;
  bool tuple = false;  // printed with parentheses
  Extent extent;       // set when a Value is made of it
};

// Keys in the order in which they came.
class Dict {
 public:
  const std::vector<std::pair<Value, Value>>& items() const { return items_; }
  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const;
  void Set(Value key, Value value);
  const Extent& extent() const { return extent_; }

 private:
  static std::string IndexKey(const Value& key);
  std::vector<std::pair<Value, Value>> items_;
  std::map<std::string, size_t, std::less<>> index_;
  Extent extent_{.bytes = 1, .depth = 1};
};

// What templates assign to: {% set ns.found = true %}.
struct Namespace {
  std::map<std::string, Value, std::less<>> fields;
};

// The variable `loop` inside a for.
struct Loop {
  std::shared_ptr<const List> items;
  size_t index0 = 0;
  int depth0 = 0;
  std::shared_ptr<Value> changed;  // what loop.changed() saw last
};

struct CallArguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
  // The argument at this place or of this name, else null.
  const Value* Find(size_t place, std::string_view name) const;
};

struct Callable {
  std::string name;
  std::function<absl::StatusOr<Value>(Interpreter&, const CallArguments&)> call;
};

class Value {
 public:
  using Variant = std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const Text>,
                               std::shared_ptr<const List>, std::shared_ptr<const Dict>,
                               std::shared_ptr<Namespace>, std::shared_ptr<const Loop>,
                               std::shared_ptr<const Callable>>;

  Value() : v_(None{}) {}
  Value(Undefined missing) : v_(std::move(missing)) {}
  Value(None none) : v_(none) {}
  Value(bool b) : v_(b) {}
  Value(int64_t i) : v_(i) {}
  Value(double d) : v_(d) {}
  Value(Text text) : v_(std::make_shared<const Text>(std::move(text))) {}
  Value(List list);
  Value(Dict dict) : v_(std::make_shared<const Dict>(std::move(dict))) {}
  Value(std::shared_ptr<Namespace> fields) : v_(std::move(fields)) {}
  Value(Loop loop) : v_(std::make_shared<const Loop>(std::move(loop))) {}
  Value(Callable callable) : v_(std::make_shared<const Callable>(std::move(callable))) {}
  static Value Of(std::string_view text) { return Value(Text(std::string(text))); }

  template <typename T>
  const T* As() const;  // null if it is something else

  bool is_undefined() const { return std::holds_alternative<Undefined>(v_); }
  bool is_none() const { return std::holds_alternative<None>(v_); }
  bool is_number() const;  // bool counts, as in Python
  Extent extent() const;
  const Variant& variant() const { return v_; }

 private:
  Variant v_;
};

template <typename T>
const T* Value::As() const {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, int64_t> ||
                std::is_same_v<T, double> || std::is_same_v<T, Undefined>) {
    return std::get_if<T>(&v_);
  } else if constexpr (std::is_same_v<T, Namespace>) {
    const auto* p = std::get_if<std::shared_ptr<Namespace>>(&v_);
    return p != nullptr ? p->get() : nullptr;
  } else {
    const auto* p = std::get_if<std::shared_ptr<const T>>(&v_);
    return p != nullptr ? p->get() : nullptr;
  }
}

// "str", "int", "list": Python's names, for errors.
std::string_view TypeName(const Value& value);
// Python's bool(), ==.
bool Truth(const Value& value);
bool Equal(const Value& a, const Value& b);
// Python's <; InvalidArgument for values that have no order.
absl::StatusOr<bool> Less(const Value& a, const Value& b);
// What {{ value }} prints, and what stands in a printed list.
Text Print(const Value& value);
Text Repr(const Value& value);
// bool, int and double as a double.
double AsDouble(const Value& value);
// int and bool; InvalidArgument naming `what` for anything else.
absl::StatusOr<int64_t> AsInteger(const Value& value, std::string_view what);

}  // namespace waferline::jinja
