#include "server/openai/tool_parts.h"

#include <utility>
#include <vector>

#include "server/openai/json_text.h"
#include "server/text/tool_rules.h"

namespace waferline::openai {
namespace {

using Part = text::ToolCallReader::Part;

void AppendFunction(std::string& out, std::string_view name, std::string_view arguments) {
  out += "{\"name\":";
  AppendQuoted(out, name);
  out += ",\"arguments\":";
  AppendQuoted(out, arguments);
  out += '}';
}

}  // namespace

std::string CallId(const ResponseShape& shape, size_t choice, int call) {
  return text::CallId(*shape.calls, {.request_id = shape.id, .choice = choice, .call = call});
}

void AppendPart(std::string& out, const ResponseShape& shape, CallIndex index, const Part& part) {
  if (part.kind == Part::kText) {
    out += ",\"delta\":{\"content\":";
    AppendQuoted(out, part.text);
    out += '}';
    return;
  }
  const bool begins = part.kind == Part::kCall;
  if (shape.legacy_calls) {
    out += ",\"delta\":{\"function_call\":";
  } else {
    out += ",\"delta\":{\"tool_calls\":[{\"index\":";
    AppendInteger(out, index.call);
    if (begins) {
      out += ",\"id\":";
      AppendQuoted(out, CallId(shape, index.choice, index.call));
      out += ",\"type\":\"function\"";
    }
    out += ",\"function\":";
  }
  if (begins) {
    AppendFunction(out, part.text, "");
  } else {
    out += "{\"arguments\":";
    AppendQuoted(out, part.text);
    out += '}';
  }
  out += shape.legacy_calls ? "}" : "}]}";
}

bool AppendCallMessage(std::string& out, const ResponseShape& shape, size_t choice,
                       const Delta& generated) {
  text::ToolCallReader reader(*shape.calls, shape.calls_forced);
  std::vector<Part> parts = reader.Feed(generated.text);
  for (Part& part : reader.Finish()) parts.push_back(std::move(part));
  std::string content;
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
  for (Part& part : parts) {
    if (part.kind == Part::kText) content += part.text;
    if (part.kind == Part::kCall) calls.emplace_back(std::move(part.text), "");
    if (part.kind == Part::kArguments) calls.back().second += part.text;
  }
  out += ",\"message\":{\"role\":\"assistant\",\"content\":";
  if (content.empty() && !calls.empty()) {
    out += "null";
  } else {
    AppendQuoted(out, content);
  }
  if (!generated.reasoning.empty()) {
    out += ",\"reasoning_content\":";
    AppendQuoted(out, generated.reasoning);
  }
  out += ",\"refusal\":null";
  if (!calls.empty() && shape.legacy_calls) {
    out += ",\"function_call\":";
    AppendFunction(out, calls[0].first, calls[0].second);
  } else if (!calls.empty()) {
    out += ",\"tool_calls\":[";
    for (size_t i = 0; i < calls.size(); ++i) {
      if (i > 0) out += ',';
      out += "{\"id\":";
      AppendQuoted(out, CallId(shape, choice, static_cast<int>(i)));
      out += ",\"type\":\"function\",\"function\":";
      AppendFunction(out, calls[i].first, calls[i].second);
      out += '}';
    }
    out += ']';
  }
  out += '}';
  return reader.calls_are_whole();
}

const char* CallFinishReason(const ResponseShape& shape, FinishReason reason, bool whole_calls) {
  if (!whole_calls || reason != FinishReason::kStop) return FinishReasonText(reason);
  return shape.legacy_calls ? "function_call" : "tool_calls";
}

}  // namespace waferline::openai
