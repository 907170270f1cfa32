#include "wafer_backend/compute/grammar/tool_calls.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/regex.h"
#include "wafer_backend/compute/grammar/schema_rules.h"
#include "wafer_backend/compute/grammar/text_rules.h"

namespace waferline::grammar {
namespace {

std::string Begin(const ToolCallForm& form) {
  return form.begins_with_control ? std::string(1, kControlMark) + form.begin : form.begin;
}

// Any text that begins no call.
absl::StatusOr<RuleId> WriteFreeText(const ToolCallForm& form, RuleBuilder* builder) {
  CharAutomaton texts = CharAutomaton::All();
  if (!form.not_in_text.empty()) {
    WL_ASSIGN_OR_RETURN(texts, ParseRegex(form.not_in_text, RegexMatch::kSearch));
    texts = texts.Not();
  }
  const RuleId rule = builder->NewRule("text");
  TextRules(builder, TextRules::Writing::kUtf8)
      .Add(texts, builder->rule(rule).start, builder->rule(rule).end);
  return rule;
}

}  // namespace

absl::StatusOr<RuleId> WriteToolCalls(const ToolCalls& calls, const RuleId* text,
                                      RuleBuilder* builder) {
  const ToolCallForm& form = calls.form;
  const RuleId id = builder->NewRule("calls");
  const Rule rule = builder->rule(id);
  const StateId begin = builder->NewState(), head = builder->NewState();
  const StateId name = builder->NewState(), after = builder->NewState();
  if (calls.text_allowed && text != nullptr) {
    builder->Call(rule.start, *text, rule.end);
    builder->Jump(rule.start, begin);
  } else if (calls.text_allowed) {
    WL_ASSIGN_OR_RETURN(const RuleId free, WriteFreeText(form, builder));
    const StateId behind = builder->NewState();
    builder->Call(rule.start, free, behind);
    builder->Jump(behind, rule.end);
    builder->Jump(form.only_alone ? rule.start : behind, begin);
  } else {
    builder->Jump(rule.start, begin);
  }
  builder->Literal(begin, Begin(form), head);
  builder->Literal(head, form.head, name);
  TextRules strings(builder, TextRules::Writing::kJsonString);
  for (const ToolCalls::Tool& tool : calls.tools) {
    auto arguments = SchemaRules(builder, &strings, tool.arguments).Whole();
    if (!arguments.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the parameters of '", tool.name, "': ", arguments.status().message()));
    }
    const StateId value = builder->NewState(), tail = builder->NewState();
    builder->Literal(name, tool.name + form.middle, value);
    builder->Call(value, *arguments, tail);
    builder->Literal(tail, form.tail, after);
  }
  if (calls.several) builder->Literal(after, form.between, head);
  builder->Literal(after, form.end, rule.end);
  return id;
}

}  // namespace waferline::grammar
