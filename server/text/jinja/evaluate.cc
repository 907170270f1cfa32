// Expressions of the Interpreter.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "server/text/jinja/interpreter.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {

absl::StatusOr<Value> Interpreter::Evaluate(const Expression& expression) {
  WL_RETURN_IF_ERROR(UseSteps(1));
  const Nested nested(&nesting_);
  if (nesting_ > limits_.max_nesting) {
    return absl::ResourceExhaustedError("the template is nested too deeply");
  }
  auto value = EvaluateKind(expression);
  if (value.ok()) {
    if (const absl::Status fits = CheckExtent(*value); !fits.ok()) value = fits;
  }
  if (!value.ok()) return AtLine(value.status(), expression.line);
  return value;
}

absl::Status Interpreter::CheckExtent(const Value& value) const {
  const Extent extent = value.extent();
  if (extent.depth > limits_.max_value_depth) {
    return absl::ResourceExhaustedError(
        absl::StrCat("lists are nested more than ", limits_.max_value_depth, " deep"));
  }
  if (extent.bytes <= limits_.max_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("a value has more than ", limits_.max_bytes, " bytes"));
}

absl::StatusOr<Value> Interpreter::EvaluateKind(const Expression& expression) {
  using Kind = Expression::Kind;
  const auto& children = expression.children;
  switch (expression.kind) {
    case Kind::kLiteral:
      return expression.literal;
    case Kind::kName:
      return Lookup(expression.name);
    case Kind::kList:
    case Kind::kTuple: {
      WL_ASSIGN_OR_RETURN(List list, EvaluateItems(expression));
      list.tuple = expression.kind == Kind::kTuple;
      return Value(std::move(list));
    }
    case Kind::kDict:
      return EvaluateDict(expression);
    case Kind::kUnary: {
      WL_ASSIGN_OR_RETURN(const Value operand, Evaluate(*children[0]));
      return ApplyUnary(expression.name, operand);
    }
    case Kind::kBinary:
      return EvaluateBinary(expression);
    case Kind::kCompare:
      return EvaluateCompare(expression);
    case Kind::kConditional: {
      WL_ASSIGN_OR_RETURN(const Value condition, Evaluate(*children[1]));
      if (Truth(condition)) return Evaluate(*children[0]);
      return children.size() > 2 ? Evaluate(*children[2]) : Value(Undefined{"the missing else"});
    }
    case Kind::kAttribute: {
      WL_ASSIGN_OR_RETURN(const Value object, Evaluate(*children[0]));
      return Attribute(object, expression.name);
    }
    case Kind::kSubscript: {
      WL_ASSIGN_OR_RETURN(const Value object, Evaluate(*children[0]));
      WL_ASSIGN_OR_RETURN(const Value key, Evaluate(*children[1]));
      if (const Text* text = object.As<Text>()) {
        WL_RETURN_IF_ERROR(UseBytes(static_cast<int64_t>(text->size())));
      }
      return Subscript(object, key);
    }
    case Kind::kSlice:
      return EvaluateSlice(expression);
    case Kind::kCall: {
      WL_ASSIGN_OR_RETURN(const Value callee, Evaluate(*children[0]));
      WL_ASSIGN_OR_RETURN(const CallArguments arguments, EvaluateArguments(expression));
      return Call(callee, arguments);
    }
    case Kind::kFilter:
      return EvaluateFilter(expression, nullptr);
    case Kind::kTest:
      break;
  }
  WL_ASSIGN_OR_RETURN(const Value input, Evaluate(*children[0]));
  WL_ASSIGN_OR_RETURN(const CallArguments arguments, EvaluateArguments(expression));
  WL_ASSIGN_OR_RETURN(const bool passed, ApplyTest(expression.name, input, arguments));
  return Value(passed != expression.negated);
}

absl::StatusOr<List> Interpreter::EvaluateItems(const Expression& expression) {
  List list;
  for (const ExpressionPtr& child : expression.children) {
    WL_ASSIGN_OR_RETURN(Value item, Evaluate(*child));
    list.items.push_back(std::move(item));
  }
  return list;
}

absl::StatusOr<Value> Interpreter::EvaluateDict(const Expression& expression) {
  WL_ASSIGN_OR_RETURN(List list, EvaluateItems(expression));
  Dict dict;
  for (size_t i = 0; i + 1 < list.items.size(); i += 2) {
    dict.Set(std::move(list.items[i]), std::move(list.items[i + 1]));
  }
  return Value(std::move(dict));
}

absl::StatusOr<Value> Interpreter::EvaluateBinary(const Expression& expression) {
  WL_ASSIGN_OR_RETURN(const Value left, Evaluate(*expression.children[0]));
  const std::string& name = expression.name;
  if (name == "and" && !Truth(left)) return left;
  if (name == "or" && Truth(left)) return left;
  WL_ASSIGN_OR_RETURN(const Value right, Evaluate(*expression.children[1]));
  if (name == "and" || name == "or") return right;
  return ApplyBinary(*this, name, left, right);
}

absl::StatusOr<Value> Interpreter::EvaluateCompare(const Expression& expression) {
  WL_ASSIGN_OR_RETURN(Value left, Evaluate(*expression.children[0]));
  for (size_t i = 0; i < expression.names.size(); ++i) {
    const std::string& name = expression.names[i];
    WL_ASSIGN_OR_RETURN(Value right, Evaluate(*expression.children[i + 1]));
    const bool searches = name == "in" || name == "not in";
    WL_RETURN_IF_ERROR(UseBytes(searches ? right.extent().bytes
                                         : std::min(left.extent().bytes, right.extent().bytes)));
    bool holds = false;
    if (name == "==" || name == "!=") {
      holds = Equal(left, right) == (name == "==");
    } else if (name == "in" || name == "not in") {
      WL_ASSIGN_OR_RETURN(const bool contains, Contains(right, left));
      holds = contains == (name == "in");
    } else {
      const bool swapped = name == ">" || name == "<=";  // a > b is b < a, a <= b is not b < a
      WL_ASSIGN_OR_RETURN(const bool less, swapped ? Less(right, left) : Less(left, right));
      holds = less == (name == "<" || name == ">");
    }
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

absl::StatusOr<Value> Interpreter::EvaluateSlice(const Expression& expression) {
  Value parts[4];
  for (size_t i = 0; i < 4; ++i) {
    if (expression.children[i] == nullptr) continue;
    WL_ASSIGN_OR_RETURN(parts[i], Evaluate(*expression.children[i]));
  }
  WL_RETURN_IF_ERROR(UseBytes(parts[0].extent().bytes));
  const auto given = [&](size_t i) { return parts[i].is_none() ? nullptr : &parts[i]; };
  return Slice(parts[0], given(1), given(2), given(3));
}

absl::StatusOr<Value> Interpreter::EvaluateFilter(const Expression& expression,
                                                  const Value* block) {
  Value input;
  const Expression* inner = expression.children[0].get();
  if (inner == nullptr) {
    input = *block;
  } else if (block != nullptr && inner->kind == Expression::Kind::kFilter) {
    WL_ASSIGN_OR_RETURN(input, EvaluateFilter(*inner, block));
  } else {
    WL_ASSIGN_OR_RETURN(input, Evaluate(*inner));
  }
  WL_ASSIGN_OR_RETURN(const CallArguments arguments, EvaluateArguments(expression));
  return ApplyFilter(expression.name, input, arguments);
}

absl::StatusOr<CallArguments> Interpreter::EvaluateArguments(const Expression& expression) {
  CallArguments arguments;
  for (const Argument& argument : expression.arguments) {
    WL_ASSIGN_OR_RETURN(Value value, Evaluate(*argument.value));
    if (argument.name.empty()) {
      arguments.positional.push_back(std::move(value));
    } else {
      arguments.named.emplace_back(argument.name, std::move(value));
    }
  }
  return arguments;
}

}  // namespace waferline::jinja
