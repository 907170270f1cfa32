#include "server/text/tool_format.h"

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/strings.h"

namespace waferline::text {
namespace {

using grammar::ToolCallForm;

bool Has(std::string_view source, std::string_view mark) {
  return source.find(mark) != std::string_view::npos;
}

ToolCallForm Hermes(const model::Tokenizer& tokenizer) {
  ToolCallForm form{.name = "hermes",
                    .begin = "<tool_call>\n",
                    .head = "{\"name\": \"",
                    .middle = "\", \"arguments\": ",
                    .tail = "}\n</tool_call>",
                    .between = "\n<tool_call>\n",
                    .not_in_text = "<tool_call>"};
  // Where the marks are control tokens they cannot come out as text.
  const auto mark = tokenizer.FindSpecial("<tool_call>");
  form.begins_with_control = mark && tokenizer.IsSpecial(*mark);
  return form;
}

const ToolCallForm& Llama() {
  static const ToolCallForm form{.name = "llama3_json",
                                 .head = "{\"name\": \"",
                                 .middle = "\", \"parameters\": ",
                                 .tail = "}",
                                 .between = "; ",
                                 .not_in_text = "^\\{",
                                 .only_alone = true};
  return form;
}

const ToolCallForm& Mistral() {
  static const ToolCallForm form{.name = "mistral",
                                 .begin = "[TOOL_CALLS][",
                                 .head = "{\"name\": \"",
                                 .middle = "\", \"arguments\": ",
                                 .tail = "}",
                                 .between = ", ",
                                 .end = "]",
                                 .begins_with_control = true};
  return form;
}

absl::Status NotRead(std::string_view format) {
  return absl::UnimplementedError(
      absl::StrCat("this model writes calls in the ", Absl(format),
                   " format, which is not read here; read are hermes, llama3_json and mistral"));
}

}  // namespace

bool TakesTools(std::string_view template_source) { return Has(template_source, "tools"); }

absl::StatusOr<ToolCallForm> ToolFormOf(std::string_view source,
                                        const model::Tokenizer& tokenizer) {
  if (!TakesTools(source)) return Hermes(tokenizer);
  if (Has(source, "<arg_key>")) return NotRead("GLM");
  if (Has(source, "<function=")) return NotRead("Qwen3-Coder");
  if (Has(source, "tool\u2581calls\u2581begin")) return NotRead("DeepSeek");
  if (Has(source, "<|channel|>")) return NotRead("gpt-oss");
  if (Has(source, "[TOOL_CALLS]")) {
    const auto mark = tokenizer.FindSpecial("[TOOL_CALLS]");
    if (!mark || !tokenizer.IsSpecial(*mark)) {
      return absl::UnimplementedError("this model's vocabulary has no control token [TOOL_CALLS]");
    }
    if (Has(source, "[ARGS]")) return NotRead("Mistral [ARGS]");
    return Mistral();
  }
  if (Has(source, "<tool_call>")) {
    ToolCallForm form = Hermes(tokenizer);
    if (form.begins_with_control) return NotRead("Hermes with control tokens");
    return form;
  }
  if (Has(source, "<|python_tag|>") || Has(source, "<|start_header_id|>")) return Llama();
  return NotRead("unknown");
}

}  // namespace waferline::text
