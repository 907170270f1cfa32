// A parsed template: expressions and statements as trees. Immutable once parsed; owned by its
// Template. Bounds: nesting of 200 (parser.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/text/jinja/value.h"

namespace waferline::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Argument {
  std::string name;  // "" if positional
  ExpressionPtr value;
};

struct Expression {
  enum class Kind : uint8_t {
    kLiteral,      // literal
    kName,         // name
    kList,         // children
    kTuple,        // children
    kDict,         // children: key, value, key, value ...
    kUnary,        // name: "-", "+", "not"; children: operand
    kBinary,       // name: the operator; children: left, right
    kCompare,      // names: operators; children: one more
    kConditional,  // children: then, condition[, otherwise]
    kAttribute,    // children: object; name
    kSubscript,    // children: object, key
    kSlice,        // children: object, start, stop, step; each may be null but the first
    kCall,         // children: callee; arguments
    kFilter,       // name; children: input (null: a filter block's); arguments
    kTest,         // name; children: input; arguments; negated
  };
  Kind kind = Kind::kLiteral;
  int line = 0;
  Value literal;
  std::string name;
  std::vector<std::string> names;
  std::vector<ExpressionPtr> children;
  std::vector<Argument> arguments;
  bool negated = false;
  int height = 1;  // of the tree: bounds how deep it is walked
};

struct Statement;
using Body = std::vector<Statement>;

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // may be null
};

struct Statement {
  enum class Kind : uint8_t {
    kData,      // data
    kPrint,     // expression
    kIf,        // expression, body, otherwise
    kFor,       // targets, expression, condition, body, otherwise
    kSet,       // targets (or target_object.name), expression
    kSetBlock,  // targets, filters, body
    kMacro,     // name, parameters, body
    kCall,      // expression (a call), parameters, body
    kFilter,    // filters, body
    kBreak,
    kContinue,
    kScope,  // body: {% generation %}, which only marks text
  };
  Kind kind = Kind::kData;
  int line = 0;
  std::string data;
  std::string name;
  std::vector<std::string> targets;
  ExpressionPtr expression;
  ExpressionPtr condition;  // of a for: {% for x in y if condition %}
  ExpressionPtr filters;    // a chain of kFilter whose innermost input is null
  std::vector<Parameter> parameters;
  Body body;
  Body otherwise;
};

}  // namespace waferline::jinja
