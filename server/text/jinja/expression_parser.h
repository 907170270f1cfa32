// Expressions, by recursive descent in Jinja's order of precedence: if, or, and, not, comparisons,
// + -, ~, * / // %, **, signs, then attributes, subscripts, calls, filters and tests. A cursor over
// tokens that statements (parser.cc) share. Bounds: nesting of kMaxDepth, trees of kMaxHeight.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/text/jinja/ast.h"
#include "server/text/jinja/lexer.h"

namespace waferline::jinja {

class ExpressionParser {
 public:
  static constexpr int kMaxDepth = 200;
  static constexpr int kMaxHeight = 400;  // of an expression: a long chain is a deep tree too

  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  using Parsed = absl::StatusOr<ExpressionPtr>;
  using Kind = Expression::Kind;

  const Token& Peek() const { return tokens_[at_]; }
  Token Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool TakeOperator(std::string_view text);
  bool TakeName(std::string_view text);
  absl::Status Expect(std::string_view operator_text);
  absl::Status Expect(Token::Kind kind, std::string_view what);
  absl::Status Error(std::string_view expected) const;

  // a if b else c
  Parsed ParseExpression();
  // The same without a trailing `if`, which a for has of its own.
  Parsed ParseOr();
  // One expression, or several between commas as a tuple.
  Parsed ParseTuple();
  Parsed ParseFilterChain(ExpressionPtr input);
  absl::StatusOr<std::vector<Argument>> ParseArguments();

 private:
  using Step = Parsed (ExpressionParser::*)();
  Parsed ParseBinary(Step operand, std::initializer_list<std::string_view> operators);
  Parsed ParseAnd();
  Parsed ParseNot();
  Parsed ParseComparison();
  Parsed ParseSum();
  Parsed ParseConcatenation();
  Parsed ParseProduct();
  Parsed ParsePower();
  Parsed ParseUnary();
  Parsed ParseSigned();
  Parsed ParsePrimary();
  Parsed ParseNameOrConstant();
  Parsed ParseSequence(Kind kind, std::string_view close);
  Parsed ParseDict();
  Parsed ParsePostfix(ExpressionPtr input);
  Parsed ParseSubscript(ExpressionPtr input);
  Parsed ParseFiltersAndTests(ExpressionPtr input);
  Parsed ParseTest(ExpressionPtr input);
  ExpressionPtr Make(Kind kind) const;
  // Its children are complete: sets its height, an error if that is too much.
  Parsed Complete(ExpressionPtr expression) const;

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace waferline::jinja
