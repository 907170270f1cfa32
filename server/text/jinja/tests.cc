// {% if value is test %}.
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

absl::StatusOr<bool> Compares(std::string_view name, const Value& a, const Value& b) {
  if (name == "eq") return Equal(a, b);
  if (name == "ne") return !Equal(a, b);
  if (name == "lt") return Less(a, b);
  if (name == "gt") return Less(b, a);
  const auto less = name == "le" ? Less(b, a) : Less(a, b);
  WL_RETURN_IF_ERROR(less.status());
  return !*less;
}

// The comparison that a test's name means; "" if it is none.
std::string_view Comparison(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"==", "eq"}, {"eq", "eq"}, {"equalto", "eq"},     {"!=", "ne"}, {"ne", "ne"},
      {"<", "lt"},  {"lt", "lt"}, {"lessthan", "lt"},    {"<=", "le"}, {"le", "le"},
      {">", "gt"},  {"gt", "gt"}, {"greaterthan", "gt"}, {">=", "ge"}, {"ge", "ge"}};
  for (const auto& [known, means] : kNames) {
    if (known == name) return means;
  }
  return "";
}

bool IsCased(const Value& value, bool upper) {
  const Text* text = value.As<Text>();
  if (text == nullptr) return false;
  bool letters = false;
  for (const char c : text->bytes()) {
    const auto byte = static_cast<unsigned char>(c);
    letters |= absl::ascii_isalpha(byte);
    if (upper ? absl::ascii_islower(byte) : absl::ascii_isupper(byte)) return false;
  }
  return letters;
}

absl::StatusOr<bool> Divides(Interpreter& interpreter, const Value& value, const Value& by,
                             double rest) {
  WL_ASSIGN_OR_RETURN(const Value remainder, ApplyBinary(interpreter, "%", value, by));
  return remainder.is_number() && AsDouble(remainder) == rest;
}

bool Same(const Value& a, const Value& b) {
  const bool by_type = a.variant().index() == b.variant().index();
  return by_type && Equal(a, b);
}

}  // namespace

absl::StatusOr<bool> Interpreter::ApplyTest(std::string_view name, const Value& input,
                                            const CallArguments& arguments) {
  const bool text = input.As<Text>() != nullptr, list = input.As<List>() != nullptr;
  const bool mapping = input.As<Dict>() != nullptr || input.As<Namespace>() != nullptr;
  if (name == "defined") return !input.is_undefined();
  if (name == "undefined") return input.is_undefined();
  if (name == "none") return input.is_none();
  if (name == "string") return text;
  if (name == "mapping") return mapping;
  if (name == "sequence" || name == "iterable") {
    return text || list || mapping || input.is_undefined();
  }
  if (name == "number") return input.is_number();
  if (name == "integer") return input.As<int64_t>() != nullptr;
  if (name == "float") return input.As<double>() != nullptr;
  if (name == "boolean") return input.As<bool>() != nullptr;
  if (name == "true") return input.As<bool>() != nullptr && *input.As<bool>();
  if (name == "false") return input.As<bool>() != nullptr && !*input.As<bool>();
  if (name == "callable") return input.As<Callable>() != nullptr;
  if (name == "upper") return IsCased(input, true);
  if (name == "lower") return IsCased(input, false);
  if (name == "odd") return Divides(*this, input, Value(int64_t{2}), 1);
  if (name == "even") return Divides(*this, input, Value(int64_t{2}), 0);
  const bool of_two = name == "in" || name == "sameas" || name == "divisibleby";
  const std::string_view comparison = Comparison(name);
  if (!of_two && comparison.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("unknown test '", Absl(name), "'"));
  }
  const Value* other = arguments.Find(0, "other");
  if (other == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("test '", Absl(name), "' needs an argument"));
  }
  WL_RETURN_IF_ERROR(UseBytes(input.extent().bytes + other->extent().bytes));
  if (name == "in") return Contains(*other, input);
  if (name == "sameas") return Same(input, *other);
  if (name == "divisibleby") return Divides(*this, input, *other, 0);
  return Compares(comparison, input, *other);
}

}  // namespace waferline::jinja
