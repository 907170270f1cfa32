// The cursor over tokens, and the operators by precedence. Their operands are in operand_parser.cc.
#include "server/text/jinja/expression_parser.h"

#include <algorithm>
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

}  // namespace waferline::jinja
