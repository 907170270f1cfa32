#include "server/text/jinja/interpreter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/text/jinja/builtins.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/base/strings.h"

namespace waferline::jinja {
absl::Status AtLine(const absl::Status& status, int line) {
  const bool said =
      status.ok() || absl::IsFailedPrecondition(status) || status.message().substr(0, 5) == "line ";
  if (said) return status;
  return absl::Status(status.code(), absl::StrCat("line ", line, ": ", status.message()));
}

Interpreter::ScopeGuard::ScopeGuard(Interpreter* owner, Scope* parent)
    : owner_(owner), before_(owner->scope_), scope_(std::make_unique<Scope>()) {
  scope_->parent = parent;
  owner_->scope_ = scope_.get();
}

Interpreter::ScopeGuard::~ScopeGuard() {
  owner_->scope_ = before_;
  if (scope_->captured) owner_->captured_.push_back(std::move(scope_));
}

absl::Status Interpreter::UseSteps(int64_t count) {
  steps_ += count;
  if (steps_ <= limits_.max_steps) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the template takes more than ", limits_.max_steps, " steps"));
}

absl::Status Interpreter::UseBytes(int64_t count) {
  bytes_ += count;
  if (count >= 0 && bytes_ <= limits_.max_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the template makes more than ", limits_.max_bytes, " bytes of text"));
}

absl::StatusOr<Text> Interpreter::Render(const Body& body, const Dict& context) {
  ScopeGuard scope(this, nullptr);
  for (const auto& [key, value] : context.items()) {
    scope_->variables[key.As<Text>()->bytes()] = value;
  }
  WL_RETURN_IF_ERROR(Run(body).status());
  return std::move(out_);
}

Value Interpreter::Lookup(const std::string& name) const {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    const auto it = scope->variables.find(name);
    if (it != scope->variables.end()) return it->second;
  }
  return GlobalFunction(name);
}

absl::Status Interpreter::Emit(const Text& text) {
  WL_RETURN_IF_ERROR(UseBytes(static_cast<int64_t>(text.size())));
  out_.Append(text);
  return absl::OkStatus();
}

absl::StatusOr<Text> Interpreter::Capture(const Body& body) {
  Text before = std::exchange(out_, Text());
  const auto flow = Run(body);
  Text captured = std::exchange(out_, std::move(before));
  WL_RETURN_IF_ERROR(flow.status());
  return captured;
}

absl::StatusOr<Interpreter::Flow> Interpreter::Run(const Body& body) {
  const Nested nested(&nesting_);
  if (nesting_ > limits_.max_nesting) {
    return absl::ResourceExhaustedError("the template is nested too deeply");
  }
  for (const Statement& statement : body) {
    WL_RETURN_IF_ERROR(AtLine(UseSteps(1), statement.line));
    const auto flow = RunOne(statement);
    if (!flow.ok()) return AtLine(flow.status(), statement.line);
    if (*flow != Flow::kNext) return *flow;
  }
  return Flow::kNext;
}

absl::StatusOr<Interpreter::Flow> Interpreter::RunOne(const Statement& statement) {
  using Kind = Statement::Kind;
  switch (statement.kind) {
    case Kind::kData:
      WL_RETURN_IF_ERROR(Emit(Text(statement.data)));
      return Flow::kNext;
    case Kind::kPrint: {
      WL_ASSIGN_OR_RETURN(const Value value, Evaluate(*statement.expression));
      WL_RETURN_IF_ERROR(Emit(Print(value)));
      return Flow::kNext;
    }
    case Kind::kIf: {
      WL_ASSIGN_OR_RETURN(const Value condition, Evaluate(*statement.expression));
      return Run(Truth(condition) ? statement.body : statement.otherwise);
    }
    case Kind::kFor:
      return RunFor(statement);
    case Kind::kSet:
    case Kind::kSetBlock:
      WL_RETURN_IF_ERROR(RunSet(statement));
      return Flow::kNext;
    case Kind::kMacro:
      scope_->variables[statement.name] =
          MakeMacro(statement.name, statement.parameters, statement.body);
      return Flow::kNext;
    case Kind::kCall:
      WL_RETURN_IF_ERROR(RunCallBlock(statement));
      return Flow::kNext;
    case Kind::kFilter: {
      WL_ASSIGN_OR_RETURN(Text text, Capture(statement.body));
      const Value block(std::move(text));
      WL_ASSIGN_OR_RETURN(const Value filtered, EvaluateFilter(*statement.filters, &block));
      WL_RETURN_IF_ERROR(Emit(Print(filtered)));
      return Flow::kNext;
    }
    case Kind::kBreak:
      return Flow::kBreak;
    case Kind::kContinue:
      return Flow::kContinue;
    case Kind::kScope:
      break;
  }
  return Run(statement.body);
}

absl::Status Interpreter::Assign(const std::vector<std::string>& targets, const Value& value) {
  if (targets.size() == 1) {
    scope_->variables[targets[0]] = value;
    return absl::OkStatus();
  }
  WL_ASSIGN_OR_RETURN(const List items, Iterate(value));
  if (items.items.size() != targets.size()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot assign ", items.items.size(),
                                                   " values to ", targets.size(), " variables"));
  }
  for (size_t i = 0; i < targets.size(); ++i) scope_->variables[targets[i]] = items.items[i];
  return absl::OkStatus();
}

absl::StatusOr<Interpreter::Flow> Interpreter::RunFor(const Statement& statement) {
  WL_ASSIGN_OR_RETURN(const Value sequence, Evaluate(*statement.expression));
  WL_ASSIGN_OR_RETURN(List all, Iterate(sequence));
  auto items = std::make_shared<List>();
  if (statement.condition == nullptr) {
    *items = std::move(all);
  } else {
    for (const Value& item : all.items) {
      WL_RETURN_IF_ERROR(UseSteps(1));
      ScopeGuard scope(this, scope_);
      WL_RETURN_IF_ERROR(Assign(statement.targets, item));
      WL_ASSIGN_OR_RETURN(const Value keep, Evaluate(*statement.condition));
      if (Truth(keep)) items->items.push_back(item);
    }
  }
  if (items->items.empty()) return Run(statement.otherwise);
  Loop loop{.items = items, .changed = std::make_shared<Value>(Undefined{})};
  const Value outer = Lookup("loop");
  if (const Loop* around = outer.As<Loop>()) loop.depth0 = around->depth0 + 1;
  for (loop.index0 = 0; loop.index0 < items->items.size(); ++loop.index0) {
    WL_RETURN_IF_ERROR(UseSteps(1));
    ScopeGuard scope(this, scope_);
    WL_RETURN_IF_ERROR(Assign(statement.targets, items->items[loop.index0]));
    scope_->variables["loop"] = Value(loop);
    WL_ASSIGN_OR_RETURN(const Flow flow, Run(statement.body));
    if (flow == Flow::kBreak) break;
  }
  return Flow::kNext;
}

absl::Status Interpreter::RunSet(const Statement& statement) {
  Value value;
  if (statement.kind == Statement::Kind::kSet) {
    WL_ASSIGN_OR_RETURN(value, Evaluate(*statement.expression));
  } else {
    WL_ASSIGN_OR_RETURN(Text text, Capture(statement.body));
    value = Value(std::move(text));
    if (statement.filters != nullptr) {
      const Value block = value;
      WL_ASSIGN_OR_RETURN(value, EvaluateFilter(*statement.filters, &block));
    }
  }
  if (statement.name.empty()) return Assign(statement.targets, value);
  const Value target = Lookup(statement.targets[0]);
  const auto* fields = std::get_if<std::shared_ptr<Namespace>>(&target.variant());
  if (fields == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("'", statement.targets[0], "' is ",
                                                   Absl(TypeName(target)),
                                                   ", only a namespace's fields can be set"));
  }
  (*fields)->fields[statement.name] = std::move(value);
  return absl::OkStatus();
}

absl::Status Interpreter::RunCallBlock(const Statement& statement) {
  const Expression& call = *statement.expression;
  WL_ASSIGN_OR_RETURN(const Value callee, Evaluate(*call.children[0]));
  WL_ASSIGN_OR_RETURN(CallArguments arguments, EvaluateArguments(call));
  arguments.named.emplace_back("caller", MakeMacro("caller", statement.parameters, statement.body));
  WL_ASSIGN_OR_RETURN(const Value printed, Call(callee, arguments));
  return Emit(Print(printed));
}

Value Interpreter::MakeMacro(const std::string& name, const std::vector<Parameter>& parameters,
                             const Body& body) {
  for (Scope* scope = scope_; scope != nullptr; scope = scope->parent) scope->captured = true;
  return Value(Callable{
      name, [&parameters, &body, scope = scope_](Interpreter& self, const CallArguments& given) {
        return self.CallMacro(parameters, body, scope, given);
      }});
}

absl::StatusOr<Value> Interpreter::CallMacro(const std::vector<Parameter>& parameters,
                                             const Body& body, Scope* scope,
                                             const CallArguments& arguments) {
  if (depth_ >= limits_.max_depth) {
    return absl::ResourceExhaustedError(
        absl::StrCat("macros call each other more than ", limits_.max_depth, " deep"));
  }
  if (arguments.positional.size() > parameters.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "takes at most ", parameters.size(), " arguments, got ", arguments.positional.size()));
  }
  ScopeGuard guard(this, scope);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Value* given = arguments.Find(i, parameters[i].name);
    Value value = given != nullptr ? *given : Value(Undefined{parameters[i].name});
    if (given == nullptr && parameters[i].fallback != nullptr) {
      WL_ASSIGN_OR_RETURN(value, Evaluate(*parameters[i].fallback));
    }
    scope_->variables[parameters[i].name] = std::move(value);
  }
  for (const auto& [name, value] : arguments.named) {
    const bool known = std::any_of(parameters.begin(), parameters.end(),
                                   [&n = name](const Parameter& p) { return p.name == n; });
    if (!known && name != "caller") {
      return absl::InvalidArgumentError(absl::StrCat("has no parameter '", name, "'"));
    }
    if (!known) scope_->variables["caller"] = value;
  }
  ++depth_;
  auto text = Capture(body);
  --depth_;
  WL_RETURN_IF_ERROR(text.status());
  return Value(*std::move(text));
}

absl::StatusOr<Value> Interpreter::Call(const Value& callee, const CallArguments& arguments) {
  const Callable* callable = callee.As<Callable>();
  if (callable == nullptr) {
    const Undefined* missing = callee.As<Undefined>();
    return absl::InvalidArgumentError(
        missing != nullptr ? absl::StrCat("'", missing->name, "' is undefined")
                           : absl::StrCat(Absl(TypeName(callee)), " cannot be called"));
  }
  auto result = callable->call(*this, arguments);
  // An error inside a macro says its line, raise_exception speaks for itself.
  const bool said = result.ok() || AtLine(result.status(), 0) == result.status();
  if (said) return result;
  return absl::Status(result.status().code(),
                      absl::StrCat(callable->name, "(): ", result.status().message()));
}

}  // namespace waferline::jinja
