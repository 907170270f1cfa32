#include "server/text/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

std::string Shown(const Token& token) {
  switch (token.kind) {
    case Token::Kind::kEnd:
      return "the end of the template";
    case Token::Kind::kPrintEnd:
      return "}}";
    case Token::Kind::kBlockEnd:
      return "%}";
    case Token::Kind::kString:
      return "a string";
    case Token::Kind::kData:
      return "text";
    default:
      return "'" + token.text + "'";
  }
}

}  // namespace

ExpressionPtr ExpressionParser::Make(Kind kind) const {
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->line = Peek().line;
  return expression;
}

ExpressionParser::Parsed ExpressionParser::Complete(ExpressionPtr expression) const {
  int height = 0;
  for (const ExpressionPtr& child : expression->children) {
    if (child != nullptr) height = std::max(height, child->height);
  }
  for (const Argument& argument : expression->arguments) {
    height = std::max(height, argument.value->height);
  }
  expression->height = height + 1;
  if (expression->height > kMaxHeight) return Error("a shorter expression, or less nesting");
  return expression;
}

bool ExpressionParser::TakeOperator(std::string_view text) {
  if (!Peek().Is(Token::Kind::kOperator, text)) return false;
  Take();
  return true;
}

bool ExpressionParser::TakeName(std::string_view text) {
  if (!Peek().Is(Token::Kind::kName, text)) return false;
  Take();
  return true;
}

absl::Status ExpressionParser::Error(std::string_view expected) const {
  return absl::InvalidArgumentError(
      absl::StrCat("line ", Peek().line, ": expected ", Absl(expected), ", found ", Shown(Peek())));
}

absl::Status ExpressionParser::Expect(std::string_view operator_text) {
  if (TakeOperator(operator_text)) return absl::OkStatus();
  return Error(absl::StrCat("'", Absl(operator_text), "'"));
}

absl::Status ExpressionParser::Expect(Token::Kind kind, std::string_view what) {
  if (Peek().kind != kind) return Error(what);
  Take();
  return absl::OkStatus();
}

ExpressionParser::Parsed ExpressionParser::ParseExpression() {
  if (++depth_ > kMaxDepth) return Error("less nesting");
  WL_ASSIGN_OR_RETURN(ExpressionPtr then, ParseOr());
  while (Peek().Is(Token::Kind::kName, "if")) {
    auto conditional = Make(Kind::kConditional);
    Take();
    WL_ASSIGN_OR_RETURN(ExpressionPtr condition, ParseOr());
    conditional->children.push_back(std::move(then));
    conditional->children.push_back(std::move(condition));
    if (TakeName("else")) {
      WL_ASSIGN_OR_RETURN(ExpressionPtr otherwise, ParseExpression());
      conditional->children.push_back(std::move(otherwise));
    }
    WL_ASSIGN_OR_RETURN(then, Complete(std::move(conditional)));
  }
  --depth_;
  return then;
}

ExpressionParser::Parsed ExpressionParser::ParseTuple() {
  const int line = Peek().line;
  WL_ASSIGN_OR_RETURN(ExpressionPtr first, ParseExpression());
  if (!Peek().Is(Token::Kind::kOperator, ",")) return first;
  auto tuple = Make(Kind::kTuple);
  tuple->line = line;
  tuple->children.push_back(std::move(first));
  while (TakeOperator(",")) {
    const Token::Kind next = Peek().kind;
    if (next == Token::Kind::kBlockEnd || next == Token::Kind::kPrintEnd) break;
    WL_ASSIGN_OR_RETURN(ExpressionPtr item, ParseExpression());
    tuple->children.push_back(std::move(item));
  }
  return Complete(std::move(tuple));
}

ExpressionParser::Parsed ExpressionParser::ParseBinary(
    Step operand, std::initializer_list<std::string_view> operators) {
  WL_ASSIGN_OR_RETURN(ExpressionPtr left, (this->*operand)());
  while (true) {
    const Token& token = Peek();
    const bool is_operator =
        token.kind == Token::Kind::kOperator || token.kind == Token::Kind::kName;
    bool found = false;
    for (const std::string_view text : operators) found |= is_operator && token.text == text;
    if (!found) return left;
    auto binary = Make(Kind::kBinary);
    binary->name = Take().text;
    WL_ASSIGN_OR_RETURN(ExpressionPtr right, (this->*operand)());
    binary->children.push_back(std::move(left));
    binary->children.push_back(std::move(right));
    WL_ASSIGN_OR_RETURN(left, Complete(std::move(binary)));
  }
}

ExpressionParser::Parsed ExpressionParser::ParseOr() {
  return ParseBinary(&ExpressionParser::ParseAnd, {"or"});
}

ExpressionParser::Parsed ExpressionParser::ParseAnd() {
  return ParseBinary(&ExpressionParser::ParseNot, {"and"});
}

ExpressionParser::Parsed ExpressionParser::ParseNot() {
  if (!Peek().Is(Token::Kind::kName, "not")) return ParseComparison();
  if (++depth_ > kMaxDepth) return Error("less nesting");
  auto unary = Make(Kind::kUnary);
  unary->name = Take().text;
  WL_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseNot());
  --depth_;
  unary->children.push_back(std::move(operand));
  return Complete(std::move(unary));
}

ExpressionParser::Parsed ExpressionParser::ParseComparison() {
  WL_ASSIGN_OR_RETURN(ExpressionPtr left, ParseSum());
  auto compare = Make(Kind::kCompare);
  compare->children.push_back(std::move(left));
  while (true) {
    std::string name;
    for (const char* text : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (name.empty() && TakeOperator(text)) name = text;
    }
    if (name.empty() && TakeName("in")) name = "in";
    if (name.empty() && Peek().Is(Token::Kind::kName, "not")) {
      Take();
      if (!TakeName("in")) return Error("'in'");
      name = "not in";
    }
    if (name.empty()) break;
    WL_ASSIGN_OR_RETURN(ExpressionPtr right, ParseSum());
    compare->names.push_back(std::move(name));
    compare->children.push_back(std::move(right));
  }
  if (compare->names.empty()) return std::move(compare->children.front());
  return Complete(std::move(compare));
}

ExpressionParser::Parsed ExpressionParser::ParseSum() {
  return ParseBinary(&ExpressionParser::ParseConcatenation, {"+", "-"});
}

ExpressionParser::Parsed ExpressionParser::ParseConcatenation() {
  return ParseBinary(&ExpressionParser::ParseProduct, {"~"});
}

ExpressionParser::Parsed ExpressionParser::ParseProduct() {
  return ParseBinary(&ExpressionParser::ParsePower, {"*", "/", "//", "%"});
}

ExpressionParser::Parsed ExpressionParser::ParsePower() {
  return ParseBinary(&ExpressionParser::ParseUnary, {"**"});
}

ExpressionParser::Parsed ExpressionParser::ParseUnary() {
  WL_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseSigned());
  return ParseFiltersAndTests(std::move(operand));
}

ExpressionParser::Parsed ExpressionParser::ParseSigned() {
  const bool sign =
      Peek().Is(Token::Kind::kOperator, "-") || Peek().Is(Token::Kind::kOperator, "+");
  if (!sign) {
    WL_ASSIGN_OR_RETURN(ExpressionPtr primary, ParsePrimary());
    return ParsePostfix(std::move(primary));
  }
  if (++depth_ > kMaxDepth) return Error("less nesting");
  auto unary = Make(Kind::kUnary);
  unary->name = Take().text;
  WL_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseSigned());
  --depth_;
  unary->children.push_back(std::move(operand));
  return Complete(std::move(unary));
}

ExpressionParser::Parsed ExpressionParser::ParsePrimary() {
  const Token& token = Peek();
  auto literal = Make(Kind::kLiteral);
  switch (token.kind) {
    case Token::Kind::kName:
      return ParseNameOrConstant();
    case Token::Kind::kString: {
      std::string text;
      while (Peek().kind == Token::Kind::kString) text += Take().text;
      literal->literal = Value(Text(std::move(text)));
      return literal;
    }
    case Token::Kind::kInteger: {
      int64_t number = 0;
      const auto [end, error] =
          std::from_chars(token.text.data(), token.text.data() + token.text.size(), number);
      if (error != std::errc()) return Error("an integer below 2^63");
      literal->literal = Value(number);
      Take();
      return literal;
    }
    case Token::Kind::kFloat: {
      double number = 0;
      std::from_chars(token.text.data(), token.text.data() + token.text.size(), number);
      literal->literal = Value(number);
      Take();
      return literal;
    }
    default:
      break;
  }
  if (TakeOperator("[")) return ParseSequence(Kind::kList, "]");
  if (TakeOperator("{")) return ParseDict();
  if (TakeOperator("(")) return ParseSequence(Kind::kTuple, ")");
  return Error("an expression");
}

ExpressionParser::Parsed ExpressionParser::ParseNameOrConstant() {
  auto expression = Make(Kind::kName);
  expression->name = Take().text;
  const std::string& name = expression->name;
  const bool is_true = name == "true" || name == "True";
  const bool is_false = name == "false" || name == "False";
  if (is_true || is_false || name == "none" || name == "None") {
    expression->kind = Kind::kLiteral;
    expression->literal = is_true || is_false ? Value(is_true) : Value(None{});
  }
  return expression;
}

// Behind the opening bracket. (a) is a itself, (a,) and () are tuples.
ExpressionParser::Parsed ExpressionParser::ParseSequence(Kind kind, std::string_view close) {
  auto sequence = Make(kind);
  bool comma = false;
  while (!TakeOperator(close)) {
    if (!sequence->children.empty() && !comma) {
      WL_RETURN_IF_ERROR(Expect(","));
      comma = true;
      continue;
    }
    WL_ASSIGN_OR_RETURN(ExpressionPtr item, ParseExpression());
    sequence->children.push_back(std::move(item));
    comma = TakeOperator(",");
    if (!comma) {
      WL_RETURN_IF_ERROR(Expect(close));
      break;
    }
  }
  const bool grouped = kind == Kind::kTuple && sequence->children.size() == 1 && !comma;
  if (grouped) return std::move(sequence->children.front());
  return Complete(std::move(sequence));
}

ExpressionParser::Parsed ExpressionParser::ParseDict() {
  auto dict = Make(Kind::kDict);
  while (!TakeOperator("}")) {
    if (!dict->children.empty()) {
      WL_RETURN_IF_ERROR(Expect(","));
      if (TakeOperator("}")) break;
    }
    WL_ASSIGN_OR_RETURN(ExpressionPtr key, ParseExpression());
    WL_RETURN_IF_ERROR(Expect(":"));
    WL_ASSIGN_OR_RETURN(ExpressionPtr value, ParseExpression());
    dict->children.push_back(std::move(key));
    dict->children.push_back(std::move(value));
  }
  return Complete(std::move(dict));
}

ExpressionParser::Parsed ExpressionParser::ParsePostfix(ExpressionPtr input) {
  while (true) {
    if (TakeOperator(".")) {
      auto attribute = Make(Kind::kAttribute);
      if (Peek().kind != Token::Kind::kName && Peek().kind != Token::Kind::kInteger) {
        return Error("the name of an attribute");
      }
      attribute->name = Take().text;
      attribute->children.push_back(std::move(input));
      WL_ASSIGN_OR_RETURN(input, Complete(std::move(attribute)));
    } else if (TakeOperator("[")) {
      WL_ASSIGN_OR_RETURN(input, ParseSubscript(std::move(input)));
    } else if (Peek().Is(Token::Kind::kOperator, "(")) {
      auto call = Make(Kind::kCall);
      WL_ASSIGN_OR_RETURN(call->arguments, ParseArguments());
      call->children.push_back(std::move(input));
      WL_ASSIGN_OR_RETURN(input, Complete(std::move(call)));
    } else {
      return input;
    }
  }
}

ExpressionParser::Parsed ExpressionParser::ParseSubscript(ExpressionPtr input) {
  auto subscript = Make(Kind::kSubscript);
  subscript->children.push_back(std::move(input));
  for (int part = 0; part < 3; ++part) {
    const bool empty =
        Peek().Is(Token::Kind::kOperator, ":") || Peek().Is(Token::Kind::kOperator, "]");
    ExpressionPtr bound;
    if (!empty) {
      WL_ASSIGN_OR_RETURN(bound, ParseExpression());
    }
    subscript->children.push_back(std::move(bound));
    if (!TakeOperator(":")) break;
    subscript->kind = Kind::kSlice;
  }
  WL_RETURN_IF_ERROR(Expect("]"));
  if (subscript->kind == Kind::kSlice) {
    subscript->children.resize(4);
  } else if (subscript->children[1] == nullptr) {
    return Error("an index");
  }
  return Complete(std::move(subscript));
}

absl::StatusOr<std::vector<Argument>> ExpressionParser::ParseArguments() {
  std::vector<Argument> arguments;
  WL_RETURN_IF_ERROR(Expect("("));
  while (!TakeOperator(")")) {
    if (!arguments.empty()) {
      WL_RETURN_IF_ERROR(Expect(","));
      if (TakeOperator(")")) break;
    }
    if (Peek().Is(Token::Kind::kOperator, "*") || Peek().Is(Token::Kind::kOperator, "**")) {
      return Error("an argument (unpacking is not supported)");
    }
    Argument argument;
    WL_ASSIGN_OR_RETURN(argument.value, ParseExpression());
    if (argument.value->kind == Kind::kName && TakeOperator("=")) {
      argument.name = argument.value->name;
      WL_ASSIGN_OR_RETURN(argument.value, ParseExpression());
    }
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

ExpressionParser::Parsed ExpressionParser::ParseFiltersAndTests(ExpressionPtr input) {
  while (true) {
    if (Peek().Is(Token::Kind::kOperator, "|")) {
      WL_ASSIGN_OR_RETURN(input, ParseFilterChain(std::move(input)));
    } else if (TakeName("is")) {
      WL_ASSIGN_OR_RETURN(input, ParseTest(std::move(input)));
    } else if (Peek().Is(Token::Kind::kOperator, "(")) {
      WL_ASSIGN_OR_RETURN(input, ParsePostfix(std::move(input)));
    } else {
      return input;
    }
  }
}

ExpressionParser::Parsed ExpressionParser::ParseFilterChain(ExpressionPtr input) {
  while (TakeOperator("|")) {
    auto filter = Make(Kind::kFilter);
    if (Peek().kind != Token::Kind::kName) return Error("the name of a filter");
    filter->name = Take().text;
    filter->children.push_back(std::move(input));
    if (Peek().Is(Token::Kind::kOperator, "(")) {
      WL_ASSIGN_OR_RETURN(filter->arguments, ParseArguments());
    }
    WL_ASSIGN_OR_RETURN(input, Complete(std::move(filter)));
  }
  return input;
}

// Behind `is`. A test's one argument needs no brackets: x is divisibleby 3.
ExpressionParser::Parsed ExpressionParser::ParseTest(ExpressionPtr input) {
  auto test = Make(Kind::kTest);
  test->negated = TakeName("not");
  if (Peek().kind != Token::Kind::kName) return Error("the name of a test");
  test->name = Take().text;
  test->children.push_back(std::move(input));
  const Token& next = Peek();
  if (next.Is(Token::Kind::kOperator, "(")) {
    WL_ASSIGN_OR_RETURN(test->arguments, ParseArguments());
    return Complete(std::move(test));
  }
  const bool word = next.kind == Token::Kind::kName && next.text != "else" && next.text != "or" &&
                    next.text != "and" && next.text != "if" && next.text != "is" &&
                    next.text != "not" && next.text != "in";
  const bool operand = word || next.kind == Token::Kind::kString ||
                       next.kind == Token::Kind::kInteger || next.kind == Token::Kind::kFloat ||
                       next.Is(Token::Kind::kOperator, "[") || next.Is(Token::Kind::kOperator, "{");
  if (!operand) return Complete(std::move(test));
  WL_ASSIGN_OR_RETURN(ExpressionPtr primary, ParsePrimary());
  Argument argument;
  WL_ASSIGN_OR_RETURN(argument.value, ParsePostfix(std::move(primary)));
  test->arguments.push_back(std::move(argument));
  return Complete(std::move(test));
}

}  // namespace waferline::jinja
