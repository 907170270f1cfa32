// Renders a parsed template: one Interpreter a rendering. What templates may not do is use more
// than their limits, change lists or mappings, or reach anything outside the context. Every error
// is InvalidArgument (what does not fit the language or the conversation) or ResourceExhausted (a
// limit) and names the line, or FailedPrecondition: what the template says by raise_exception.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/text/jinja/ast.h"
#include "server/text/jinja/value.h"

namespace waferline::jinja {

struct Limits {
  int64_t max_steps = 1'000'000;   // statements, expressions and items of loops
  int64_t max_bytes = 64ll << 20;  // of all texts made on the way
  int max_depth = 100;             // macros in macros
  int max_nesting = 600;           // of statements and expressions under way, macros included
  int max_value_depth = 100;       // lists in lists
  int64_t max_range = 100'000;     // of range()
};

// With the line in front, unless a line inside of it or the template itself has said more: the
// innermost line is the one that helps.
absl::Status AtLine(const absl::Status& status, int line);

class Interpreter {
 public:
  // `unix_seconds` is the time that strftime_now sees (UTC).
  Interpreter(const Limits& limits, int64_t unix_seconds)
      : limits_(limits), unix_seconds_(unix_seconds) {}

  // `body` outlives the call.
  absl::StatusOr<Text> Render(const Body& body, const Dict& context);

  // For filters, tests and functions.
  const Limits& limits() const { return limits_; }
  int64_t unix_seconds() const { return unix_seconds_; }
  absl::Status UseSteps(int64_t count);
  absl::Status UseBytes(int64_t count);
  absl::StatusOr<Value> Call(const Value& callee, const CallArguments& arguments);
  absl::StatusOr<Value> ApplyFilter(std::string_view name, const Value& input,
                                    const CallArguments& arguments);
  absl::StatusOr<bool> ApplyTest(std::string_view name, const Value& input,
                                 const CallArguments& arguments);

 private:
  enum class Flow : uint8_t { kNext, kBreak, kContinue };
  class Nested {
   public:
    explicit Nested(int* depth) : depth_(depth) { ++*depth_; }
    ~Nested() { --*depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    int* const depth_;
  };
  struct Scope {
    Scope* parent = nullptr;
    std::map<std::string, Value, std::less<>> variables;
    bool captured = false;  // a macro was defined in it and may be called later
  };
  // Makes a scope the current one for as long as it lives.
  class ScopeGuard {
   public:
    ScopeGuard(Interpreter* owner, Scope* parent);
    ~ScopeGuard();
    ScopeGuard(const ScopeGuard&) = delete;
    ScopeGuard& operator=(const ScopeGuard&) = delete;

   private:
    Interpreter* const owner_;
    Scope* const before_;
    std::unique_ptr<Scope> scope_;
  };

  absl::StatusOr<Flow> Run(const Body& body);
  absl::StatusOr<Flow> RunOne(const Statement& statement);
  absl::StatusOr<Flow> RunFor(const Statement& statement);
  absl::Status RunSet(const Statement& statement);
  absl::Status RunCallBlock(const Statement& statement);
  absl::Status Assign(const std::vector<std::string>& targets, const Value& value);
  // The output of `body` instead of printing it.
  absl::StatusOr<Text> Capture(const Body& body);
  absl::Status Emit(const Text& text);
  Value MakeMacro(const std::string& name, const std::vector<Parameter>& parameters,
                  const Body& body);
  absl::StatusOr<Value> CallMacro(const std::vector<Parameter>& parameters, const Body& body,
                                  Scope* scope, const CallArguments& arguments);

  absl::StatusOr<Value> Evaluate(const Expression& expression);
  absl::StatusOr<Value> EvaluateKind(const Expression& expression);
  absl::Status CheckExtent(const Value& value) const;
  absl::StatusOr<Value> EvaluateBinary(const Expression& expression);
  absl::StatusOr<Value> EvaluateCompare(const Expression& expression);
  absl::StatusOr<Value> EvaluateSlice(const Expression& expression);
  absl::StatusOr<Value> EvaluateFilter(const Expression& expression, const Value* block);
  absl::StatusOr<Value> EvaluateDict(const Expression& expression);
  absl::StatusOr<List> EvaluateItems(const Expression& expression);
  absl::StatusOr<CallArguments> EvaluateArguments(const Expression& expression);
  Value Lookup(const std::string& name) const;

  const Limits limits_;
  const int64_t unix_seconds_;
  int64_t steps_ = 0;
  int64_t bytes_ = 0;
  int depth_ = 0;
  int nesting_ = 0;
  Text out_;
  Scope* scope_ = nullptr;
  std::vector<std::unique_ptr<Scope>> captured_;
};

}  // namespace waferline::jinja
