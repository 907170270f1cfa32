// The operands of expressions: literals, names, lists, what follows them (attributes, subscripts,
// calls), filters and tests.
#include <charconv>
#include <utility>

#include "server/text/jinja/expression_parser.h"
#include "wafer_backend/base/status.h"

namespace waferline::jinja {

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
