// Names that every template can call.
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

using Result = absl::StatusOr<Value>;

Result Range(Interpreter& interpreter, const CallArguments& arguments) {
  int64_t bounds[3] = {0, 0, 1};
  const size_t count = arguments.positional.size();
  if (count < 1 || count > 3) return absl::InvalidArgumentError("takes 1 to 3 numbers");
  for (size_t i = 0; i < count; ++i) {
    WL_ASSIGN_OR_RETURN(bounds[count == 1 ? 1 : i], AsInteger(arguments.positional[i], "a bound"));
  }
  const auto [start, stop, step] = bounds;
  if (step == 0) return absl::InvalidArgumentError("the step is 0");
  List list;
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (static_cast<int64_t>(list.items.size()) >= interpreter.limits().max_range) {
      return absl::ResourceExhaustedError(
          absl::StrCat("has more than ", interpreter.limits().max_range, " numbers"));
    }
    list.items.emplace_back(at);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  WL_RETURN_IF_ERROR(interpreter.UseSteps(static_cast<int64_t>(list.items.size())));
  return Value(std::move(list));
}

Result MakeDict(Interpreter&, const CallArguments& arguments) {
  Dict dict;
  if (!arguments.positional.empty()) {
    const Dict* given = arguments.positional[0].As<Dict>();
    if (given == nullptr) return absl::InvalidArgumentError("takes a mapping");
    dict = *given;
  }
  for (const auto& [name, value] : arguments.named) dict.Set(Value::Of(name), value);
  return Value(std::move(dict));
}

Result MakeNamespace(Interpreter&, const CallArguments& arguments) {
  auto fields = std::make_shared<Namespace>();
  for (const Value& given : arguments.positional) {
    const Dict* dict = given.As<Dict>();
    if (dict == nullptr) return absl::InvalidArgumentError("takes a mapping");
    for (const auto& [key, value] : dict->items()) fields->fields[Print(key).bytes()] = value;
  }
  for (const auto& [name, value] : arguments.named) fields->fields[name] = value;
  return Value(std::move(fields));
}

// What the template finds wrong with the conversation, in its own words.
Result RaiseException(Interpreter&, const CallArguments& arguments) {
  const Value* message = arguments.Find(0, "message");
  const Text text = message != nullptr ? Print(*message) : Text("raise_exception");
  return absl::FailedPreconditionError(Absl(text.bytes()));
}

Result StrftimeNow(Interpreter& interpreter, const CallArguments& arguments) {
  WL_ASSIGN_OR_RETURN(const Text* format, TextArgument(arguments, 0, "format"));
  const std::time_t seconds = interpreter.unix_seconds();
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char out[256];
  const size_t size = std::strftime(out, sizeof(out), format->bytes().c_str(), &utc);
  if (size == 0 && !format->empty()) {
    return absl::InvalidArgumentError("the format gives nothing, or more than 255 bytes");
  }
  return Value(Text(std::string(out, size)));
}

struct NamedFunction {
  std::string_view name;
  Result (*call)(Interpreter&, const CallArguments&);
};
constexpr NamedFunction kFunctions[] = {
    {"range", Range},
    {"dict", MakeDict},
    {"namespace", MakeNamespace},
    {"raise_exception", RaiseException},
    {"strftime_now", StrftimeNow},
};

}  // namespace

Value GlobalFunction(std::string_view name) {
  for (const NamedFunction& function : kFunctions) {
    if (function.name == name) return Value(Callable{std::string(name), function.call});
  }
  return Value(Undefined{std::string(name)});
}

}  // namespace waferline::jinja
