// Attributes of values, and methods of lists and mappings, with Python's meaning. Those that change
// their object are refused, as in the sandbox that templates are written for.
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

using Arguments = CallArguments;

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
