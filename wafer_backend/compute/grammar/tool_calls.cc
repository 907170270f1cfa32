#include "wafer_backend/compute/grammar/tool_calls.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/grammar/regex.h"
#include "wafer_backend/compute/grammar/schema_rules.h"
#include "wafer_backend/compute/grammar/text_rules.h"

namespace waferline::grammar {
namespace {

// `text` with a mark before each name of a control token, as the vocabulary's tries have them.
std::string Marked(const ToolCallForm& form, std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t length = 1;
    for (const std::string& name : form.controls) {
      if (!text.starts_with(name)) continue;
      out += kControlMark;
      length = name.size();
      break;
    }
    out += text.substr(0, length);
    text.remove_prefix(length);
  }
  return out;
}

ArgumentTags TagsOf(const ToolCallForm& form, std::string_view function) {
  ArgumentTags tags;
  tags.key_begin = Marked(form, form.key_begin);
  tags.key_end = Marked(form, form.key_end);
  tags.value_end = Marked(form, form.value_end);
  tags.separator = form.separator;
  tags.python = form.python;
  tags.not_in_bare = form.value_end;
  for (const auto& [name, argument] : form.bare) {
    if (name == function) tags.bare.push_back(argument);
  }
  return tags;
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

// Asides, behind each of which `rule` starts again, and a text that ends it.
absl::Status WriteTextInParts(const ToolCallForm& form, const Rule& rule, RuleBuilder* builder) {
  WL_ASSIGN_OR_RETURN(const RuleId free, WriteFreeText(form, builder));
  const StateId aside = builder->NewState(), behind = builder->NewState();
  builder->Literal(rule.start, Marked(form, form.aside_begin), aside);
  builder->Call(aside, free, behind);
  builder->Literal(behind, Marked(form, form.aside_end), rule.start);
  const StateId text = builder->NewState();
  builder->Literal(rule.start, Marked(form, form.text_begin), text);
  builder->Call(text, free, rule.end);
  return absl::OkStatus();
}

}  // namespace

bool ToolCallForm::IsBare(std::string_view function, std::string_view argument) const {
  return std::any_of(bare.begin(), bare.end(), [&](const auto& one) {
    return one.first == function && one.second == argument;
  });
}

void FindBareArguments(ToolCalls* calls) {
  if (!calls->form.tagged() || calls->form.python) return;
  for (const ToolCalls::Tool& tool : calls->tools) {
    const auto* schema = tool.arguments.if_object();
    const auto* properties = schema == nullptr ? nullptr : schema->if_contains("properties");
    if (properties == nullptr || !properties->is_object()) continue;
    for (const auto& entry : properties->get_object()) {
      const auto* property = entry.value().if_object();
      const auto* type = property == nullptr ? nullptr : property->if_contains("type");
      if (type == nullptr || *type != boost::json::value("string")) continue;
      calls->form.bare.emplace_back(tool.name, std::string(entry.key()));
    }
  }
}

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
  } else if (calls.text_allowed && !form.text_begin.empty()) {
    WL_RETURN_IF_ERROR(WriteTextInParts(form, rule, builder));
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
  const auto literal = [&](StateId from, std::string_view mark, StateId to) {
    builder->Literal(from, Marked(form, mark), to);
  };
  literal(begin, form.begin, head);
  literal(head, form.head, name);
  TextRules strings(builder, TextRules::Writing::kJsonString);
  for (const ToolCalls::Tool& tool : calls.tools) {
    SchemaRules rules(builder, &strings, tool.arguments);
    auto arguments = form.tagged() ? rules.WholeTagged(TagsOf(form, tool.name)) : rules.Whole();
    if (!arguments.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the parameters of '", tool.name, "': ", arguments.status().message()));
    }
    const StateId value = builder->NewState(), tail = builder->NewState();
    literal(name, tool.name + form.middle, value);
    builder->Call(value, *arguments, tail);
    literal(tail, form.tail, after);
  }
  if (calls.several && !form.one_call) literal(after, form.between, head);
  literal(after, form.end, rule.end);
  return id;
}

}  // namespace waferline::grammar
