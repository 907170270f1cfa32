#include "server/text/jinja/parser.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/text/jinja/expression_parser.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
namespace {

class StatementParser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  absl::StatusOr<Body> ParseAll() {
    WL_ASSIGN_OR_RETURN(Body body, ParseBody({}));
    if (Peek().kind != Token::Kind::kEnd) return Error("the end of the template");
    return body;
  }

 private:
  using Ends = std::initializer_list<std::string_view>;
  using Parsed = absl::StatusOr<Statement>;

  Statement Make(Statement::Kind kind) const {
    Statement statement;
    statement.kind = kind;
    statement.line = Peek().line;
    return statement;
  }

  absl::Status EndTag() { return Expect(Token::Kind::kBlockEnd, "'%}'"); }

  // Up to a block tag whose name is one of `ends`; its {% and name are taken, its rest is not.
  absl::StatusOr<Body> ParseBody(Ends ends) {
    if (++body_depth_ > kMaxDepth) return Error("less nesting");
    Body body;
    while (Peek().kind != Token::Kind::kEnd) {
      if (Peek().kind == Token::Kind::kData) {
        Statement data = Make(Statement::Kind::kData);
        data.data = Take().text;
        body.push_back(std::move(data));
      } else if (Peek().kind == Token::Kind::kPrintBegin) {
        Statement print = Make(Statement::Kind::kPrint);
        Take();
        WL_ASSIGN_OR_RETURN(print.expression, ParseTuple());
        WL_RETURN_IF_ERROR(Expect(Token::Kind::kPrintEnd, "'}}'"));
        body.push_back(std::move(print));
      } else {
        Take();  // {%
        if (Peek().kind != Token::Kind::kName) return Error("the name of a tag");
        ended_by_ = Take().text;
        if (std::find(ends.begin(), ends.end(), ended_by_) != ends.end()) {
          --body_depth_;
          return body;
        }
        WL_ASSIGN_OR_RETURN(Statement statement, ParseStatement(ended_by_));
        body.push_back(std::move(statement));
      }
    }
    if (ends.size() > 0) return Error(absl::StrCat("{% ", Absl(*(ends.end() - 1)), " %}"));
    --body_depth_;
    return body;
  }

  Parsed ParseStatement(const std::string& tag) {
    if (tag == "if") return ParseIf();
    if (tag == "for") return ParseFor();
    if (tag == "set") return ParseSet();
    if (tag == "macro") return ParseMacro();
    if (tag == "call") return ParseCallBlock();
    if (tag == "filter") return ParseFilterBlock();
    if (tag == "break" || tag == "continue") {
      Statement statement =
          Make(tag == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue);
      if (loop_depth_ == 0) return Error(absl::StrCat("a loop around '", tag, "'"));
      WL_RETURN_IF_ERROR(EndTag());
      return statement;
    }
    if (tag == "generation") {
      Statement statement = Make(Statement::Kind::kScope);
      WL_RETURN_IF_ERROR(EndTag());
      WL_ASSIGN_OR_RETURN(statement.body, ParseBody({"endgeneration"}));
      WL_RETURN_IF_ERROR(EndTag());
      return statement;
    }
    return absl::InvalidArgumentError(
        absl::StrCat("line ", Peek().line, ": unknown tag '", tag,
                     "', known: if, for, set, macro, call, filter, break, continue, generation, "
                     "raw"));
  }

  // Behind `if` or `elif`; an elif is an if in the otherwise of the one before.
  Parsed ParseIf() {
    Statement statement = Make(Statement::Kind::kIf);
    WL_ASSIGN_OR_RETURN(statement.expression, ParseTuple());
    WL_RETURN_IF_ERROR(EndTag());
    WL_ASSIGN_OR_RETURN(statement.body, ParseBody({"elif", "else", "endif"}));
    if (ended_by_ == "elif") {
      if (++body_depth_ > kMaxDepth) return Error("fewer elif");
      WL_ASSIGN_OR_RETURN(Statement next, ParseIf());
      --body_depth_;
      statement.otherwise.push_back(std::move(next));
      return statement;
    }
    if (ended_by_ == "else") {
      WL_RETURN_IF_ERROR(EndTag());
      WL_ASSIGN_OR_RETURN(statement.otherwise, ParseBody({"endif"}));
    }
    WL_RETURN_IF_ERROR(EndTag());
    return statement;
  }

  absl::StatusOr<std::vector<std::string>> ParseTargets() {
    std::vector<std::string> names;
    const bool bracket = TakeOperator("(");
    do {
      if (Peek().kind != Token::Kind::kName) return Error("the name of a variable");
      names.push_back(Take().text);
    } while (TakeOperator(","));
    if (bracket) WL_RETURN_IF_ERROR(Expect(")"));
    return names;
  }

  Parsed ParseFor() {
    Statement statement = Make(Statement::Kind::kFor);
    WL_ASSIGN_OR_RETURN(statement.targets, ParseTargets());
    if (!TakeName("in")) return Error("'in'");
    WL_ASSIGN_OR_RETURN(statement.expression, ParseOr());
    if (TakeName("if")) {
      WL_ASSIGN_OR_RETURN(statement.condition, ParseExpression());
    }
    if (Peek().Is(Token::Kind::kName, "recursive"))
      return Error("no recursive loop (not supported)");
    WL_RETURN_IF_ERROR(EndTag());
    ++loop_depth_;
    WL_ASSIGN_OR_RETURN(statement.body, ParseBody({"else", "endfor"}));
    --loop_depth_;
    if (ended_by_ == "else") {
      WL_RETURN_IF_ERROR(EndTag());
      WL_ASSIGN_OR_RETURN(statement.otherwise, ParseBody({"endfor"}));
    }
    WL_RETURN_IF_ERROR(EndTag());
    return statement;
  }

  // {% set a = x %}, {% set a, b = x %}, {% set ns.a = x %}, {% set a %}...{% endset %}
  Parsed ParseSet() {
    Statement statement = Make(Statement::Kind::kSet);
    WL_ASSIGN_OR_RETURN(statement.targets, ParseTargets());
    if (statement.targets.size() == 1 && TakeOperator(".")) {
      if (Peek().kind != Token::Kind::kName) return Error("the name of a namespace's field");
      statement.name = Take().text;
    }
    if (TakeOperator("=")) {
      WL_ASSIGN_OR_RETURN(statement.expression, ParseTuple());
      WL_RETURN_IF_ERROR(EndTag());
      return statement;
    }
    statement.kind = Statement::Kind::kSetBlock;
    if (Peek().Is(Token::Kind::kOperator, "|")) {
      WL_ASSIGN_OR_RETURN(statement.filters, ParseFilterChain(nullptr));
    }
    WL_RETURN_IF_ERROR(EndTag());
    WL_ASSIGN_OR_RETURN(statement.body, ParseBody({"endset"}));
    WL_RETURN_IF_ERROR(EndTag());
    return statement;
  }

  absl::StatusOr<std::vector<Parameter>> ParseParameters() {
    std::vector<Parameter> parameters;
    WL_RETURN_IF_ERROR(Expect("("));
    while (!TakeOperator(")")) {
      if (!parameters.empty()) WL_RETURN_IF_ERROR(Expect(","));
      if (Peek().kind != Token::Kind::kName) return Error("the name of a parameter");
      Parameter parameter;
      parameter.name = Take().text;
      if (TakeOperator("=")) {
        WL_ASSIGN_OR_RETURN(parameter.fallback, ParseExpression());
      }
      parameters.push_back(std::move(parameter));
    }
    return parameters;
  }

  // A macro's body is not a part of the loop around it.
  absl::StatusOr<Body> ParseMacroBody(std::string_view end) {
    WL_RETURN_IF_ERROR(EndTag());
    const int loop_depth = std::exchange(loop_depth_, 0);
    WL_ASSIGN_OR_RETURN(Body body, ParseBody({end}));
    loop_depth_ = loop_depth;
    WL_RETURN_IF_ERROR(EndTag());
    return body;
  }

  Parsed ParseMacro() {
    Statement statement = Make(Statement::Kind::kMacro);
    if (Peek().kind != Token::Kind::kName) return Error("the name of a macro");
    statement.name = Take().text;
    WL_ASSIGN_OR_RETURN(statement.parameters, ParseParameters());
    WL_ASSIGN_OR_RETURN(statement.body, ParseMacroBody("endmacro"));
    return statement;
  }

  Parsed ParseCallBlock() {
    Statement statement = Make(Statement::Kind::kCall);
    if (Peek().Is(Token::Kind::kOperator, "(")) {
      WL_ASSIGN_OR_RETURN(statement.parameters, ParseParameters());
    }
    WL_ASSIGN_OR_RETURN(statement.expression, ParseExpression());
    if (statement.expression->kind != Expression::Kind::kCall) return Error("a call of a macro");
    WL_ASSIGN_OR_RETURN(statement.body, ParseMacroBody("endcall"));
    return statement;
  }

  Parsed ParseFilterBlock() {
    Statement statement = Make(Statement::Kind::kFilter);
    auto first = std::make_unique<Expression>();
    first->kind = Expression::Kind::kFilter;
    first->line = Peek().line;
    if (Peek().kind != Token::Kind::kName) return Error("the name of a filter");
    first->name = Take().text;
    first->children.emplace_back();
    if (Peek().Is(Token::Kind::kOperator, "(")) {
      WL_ASSIGN_OR_RETURN(first->arguments, ParseArguments());
    }
    WL_ASSIGN_OR_RETURN(statement.filters, ParseFilterChain(std::move(first)));
    WL_RETURN_IF_ERROR(EndTag());
    WL_ASSIGN_OR_RETURN(statement.body, ParseBody({"endfilter"}));
    WL_RETURN_IF_ERROR(EndTag());
    return statement;
  }

  std::string ended_by_;
  int body_depth_ = 0;
  int loop_depth_ = 0;
};

}  // namespace

absl::StatusOr<Body> Parse(std::vector<Token> tokens) {
  return StatementParser(std::move(tokens)).ParseAll();
}

}  // namespace waferline::jinja
