#include "server/text/tool_format.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "wafer_backend/base/strings.h"

namespace waferline::text {
namespace {

using grammar::ToolCallForm;

// In `controls` are all marks that may be control tokens; which are is the vocabulary's to say.
// JSON, or lists of it.
std::vector<ToolCallForm> ListForms() {
  return {{.name = "hermes",
           .begin = "<tool_call>\n",
           .head = "{\"name\": \"",
           .middle = "\", \"arguments\": ",
           .tail = "}\n</tool_call>",
           .between = "\n<tool_call>\n",
           .not_in_text = "<tool_call>",
           .controls = {"<tool_call>", "</tool_call>"}},
          {.name = "llama3_json",
           .head = "{\"name\": \"",
           .middle = "\", \"parameters\": ",
           .tail = "}",
           .between = "; ",
           .not_in_text = "^\\{",
           .only_alone = true},
          {.name = "mistral",
           .begin = "[TOOL_CALLS][",
           .head = "{\"name\": \"",
           .middle = "\", \"arguments\": ",
           .tail = "}",
           .between = ", ",
           .end = "]",
           .controls = {"[TOOL_CALLS]"}},
          {.name = "mistral_args",
           .head = "[TOOL_CALLS]",
           .middle = "[ARGS]",
           .controls = {"[TOOL_CALLS]", "[ARGS]"}},
          {.name = "granite",
           .begin = "<|tool_call|>[",
           .head = "{\"name\": \"",
           .middle = "\", \"arguments\": ",
           .tail = "}",
           .between = ", ",
           .end = "]",
           .not_in_text = "<\\|tool_call\\|>",
           .controls = {"<|tool_call|>"}}};
}

// A block around all calls, and one around each.
std::vector<ToolCallForm> DeepSeekForms() {
  return {{.name = "deepseek_v3",
           .begin = "<\uff5ctool\u2581calls\u2581begin\uff5c>",
           .head = "<\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>",
           .middle = "\n```json\n",
           .tail = "\n```<\uff5ctool\u2581call\u2581end\uff5c>",
           .between = "\n",
           .end = "<\uff5ctool\u2581calls\u2581end\uff5c>",
           .not_in_text = "<\uff5ctool\u2581calls\u2581begin\uff5c>",
           .controls = {"<\uff5ctool\u2581calls\u2581begin\uff5c>",
                        "<\uff5ctool\u2581calls\u2581end\uff5c>",
                        "<\uff5ctool\u2581call\u2581begin\uff5c>",
                        "<\uff5ctool\u2581call\u2581end\uff5c>", "<\uff5ctool\u2581sep\uff5c>"}},
          {.name = "deepseek_v31",
           .begin = "<\uff5ctool\u2581calls\u2581begin\uff5c>",
           .head = "<\uff5ctool\u2581call\u2581begin\uff5c>",
           .middle = "<\uff5ctool\u2581sep\uff5c>",
           .tail = "<\uff5ctool\u2581call\u2581end\uff5c>",
           .end = "<\uff5ctool\u2581calls\u2581end\uff5c>",
           .not_in_text = "<\uff5ctool\u2581calls\u2581begin\uff5c>",
           .controls = {"<\uff5ctool\u2581calls\u2581begin\uff5c>",
                        "<\uff5ctool\u2581calls\u2581end\uff5c>",
                        "<\uff5ctool\u2581call\u2581begin\uff5c>",
                        "<\uff5ctool\u2581call\u2581end\uff5c>", "<\uff5ctool\u2581sep\uff5c>"}}};
}

// An element for each argument.
std::vector<ToolCallForm> TaggedForms() {
  return {{.name = "qwen3_coder",
           .begin = "<tool_call>\n",
           .head = "<function=",
           .middle = ">\n",
           .tail = "</function>\n</tool_call>",
           .between = "\n<tool_call>\n",
           .not_in_text = "<tool_call>|<function=",
           .controls = {"<tool_call>", "</tool_call>"},
           .key_begin = "<parameter=",
           .key_end = ">\n",
           .value_end = "\n</parameter>\n"},
          {.name = "glm",
           .head = "<tool_call>",
           .middle = "\n",
           .tail = "</tool_call>",
           .between = "\n",
           .not_in_text = "<tool_call>",
           .controls = {"<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>",
                        "</arg_value>"},
           .key_begin = "<arg_key>",
           .key_end = "</arg_key>\n<arg_value>",
           .value_end = "</arg_value>\n"}};
}

// A Python list of calls with keyword arguments.
std::vector<ToolCallForm> PythonForms() {
  ToolCallForm plain{.name = "pythonic",
                     .begin = "[",
                     .middle = "(",
                     .tail = ")",
                     .between = ", ",
                     .end = "]",
                     .not_in_text = "^\\[",
                     .only_alone = true,
                     .key_end = "=",
                     .separator = ", ",
                     .python = true};
  ToolCallForm marked = plain;
  marked.name = "lfm2";
  marked.begin = "<|tool_call_start|>[";
  marked.end = "]<|tool_call_end|>";
  marked.not_in_text = "<\\|tool_call_start\\|>";
  marked.controls = {"<|tool_call_start|>", "<|tool_call_end|>"};
  marked.only_alone = false;
  return {plain, marked};
}

// Messages in channels (OpenAI's harmony format): reasoning in one, the answer in another, a call
// is a message to a function, and ends the turn.
std::vector<ToolCallForm> ChannelForms() {
  return {{.name = "gpt_oss",
           .head = "<|channel|>commentary to=functions.",
           .middle = " <|constrain|>json<|message|>",
           .not_in_text = "<\\|(channel|message|start|end|return|call)\\|>",
           .controls = {"<|start|>", "<|end|>", "<|channel|>", "<|message|>", "<|constrain|>"},
           .one_call = true,
           .aside_begin = "<|channel|>analysis<|message|>",
           .aside_end = "<|end|><|start|>assistant",
           .text_begin = "<|channel|>final<|message|>"}};
}

const std::vector<ToolCallForm>& Forms() {
  static const std::vector<ToolCallForm> forms = [] {
    std::vector<ToolCallForm> all = ListForms();
    for (auto& more : {DeepSeekForms(), TaggedForms(), PythonForms(), ChannelForms()}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }();
  return forms;
}

bool Has(std::string_view source, std::string_view mark) {
  return source.find(mark) != std::string_view::npos;
}

absl::Status NotRead(std::string_view format) {
  return absl::UnimplementedError(absl::StrCat(
      "this model writes calls in the ", Absl(format), " format, which is not read here; read are ",
      absl::StrJoin(ToolFormNames(), ", "), ". The configuration may choose one (tool_format)"));
}

}  // namespace

bool TakesTools(std::string_view template_source) { return Has(template_source, "tools"); }

std::vector<std::string> ToolFormNames() {
  std::vector<std::string> names;
  for (const ToolCallForm& form : Forms()) names.push_back(form.name);
  return names;
}

absl::StatusOr<ToolCallForm> ToolFormNamed(std::string_view name,
                                           const model::Tokenizer& tokenizer) {
  const auto found = std::find_if(Forms().begin(), Forms().end(),
                                  [&](const ToolCallForm& form) { return form.name == name; });
  if (found == Forms().end()) {
    return absl::NotFoundError(absl::StrCat("there is no tool format '", Absl(name),
                                            "', known: ", absl::StrJoin(ToolFormNames(), ", ")));
  }
  ToolCallForm form = *found;
  for (const std::string& mark : form.controls) {
    if ((form.begin + form.head).starts_with(mark)) form.opening = mark;
  }
  // A mark that is not a control token is text as any other.
  std::erase_if(form.controls, [&](const std::string& mark) {
    const auto id = tokenizer.FindSpecial(mark);
    return !id || !tokenizer.IsSpecial(*id);
  });
  if (form.name.starts_with("mistral") && form.controls.size() < found->controls.size()) {
    return absl::UnimplementedError(absl::StrCat("this model's vocabulary has no control token ",
                                                 absl::StrJoin(found->controls, " or ")));
  }
  return form;
}

absl::StatusOr<ToolCallForm> ToolFormOf(std::string_view source,
                                        const model::Tokenizer& tokenizer) {
  if (!TakesTools(source)) return ToolFormNamed("hermes", tokenizer);
  // The more special marks first.
  if (Has(source, "<arg_key>")) return ToolFormNamed("glm", tokenizer);
  if (Has(source, "<function=")) return ToolFormNamed("qwen3_coder", tokenizer);
  if (Has(source, "<|channel|>")) return ToolFormNamed("gpt_oss", tokenizer);
  if (Has(source, "tool\u2581calls\u2581begin")) {
    const bool block = Has(source, "```json");
    return ToolFormNamed(block ? "deepseek_v3" : "deepseek_v31", tokenizer);
  }
  if (Has(source, "[TOOL_CALLS]")) {
    return ToolFormNamed(Has(source, "[ARGS]") ? "mistral_args" : "mistral", tokenizer);
  }
  if (Has(source, "<tool_call>")) return ToolFormNamed("hermes", tokenizer);
  if (Has(source, "<|tool_call_start|>")) return ToolFormNamed("lfm2", tokenizer);
  if (Has(source, "[func_name1(") || Has(source, "(params_name1=")) {
    return ToolFormNamed("pythonic", tokenizer);
  }
  if (Has(source, "<|tool_call|>")) return ToolFormNamed("granite", tokenizer);
  if (Has(source, "<|python_tag|>") || Has(source, "<|start_header_id|>")) {
    return ToolFormNamed("llama3_json", tokenizer);
  }
  return NotRead("unknown");
}

}  // namespace waferline::text
