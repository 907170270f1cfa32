// Answers of APIs whose events have names, for tests: a whole stream of a format, and its events.
#pragma once

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "server/openai/answer_format.h"
#include "wafer_backend/compute/grammar/tool_calls.h"

namespace waferline::openai {

inline const grammar::ToolCallForm kJsonCalls = {.name = "hermes",
                                                 .begin = "<tool_call>\n",
                                                 .head = "{\"name\": \"",
                                                 .middle = "\", \"arguments\": ",
                                                 .tail = "}\n</tool_call>",
                                                 .between = "\n<tool_call>\n",
                                                 .not_in_text = "<tool_call>"};

// Of a chat whose prompt has three tokens.
inline ResponseShape ChatShape(std::string id) {
  ResponseShape shape;
  shape.kind = ResponseShape::Kind::kChat;
  shape.id = std::move(id);
  shape.model = "m";
  shape.prompts.push_back({std::make_shared<std::vector<TokenId>>(3), ""});
  return shape;
}

// A stream of these deltas, and its end.
inline std::string StreamOf(AnswerFormat& format, const std::vector<Delta>& deltas,
                            const ChoiceEnd& end) {
  std::string out;
  format.AppendStart(out);
  for (const Delta& delta : deltas) format.AppendDelta(out, 0, delta);
  format.AppendFinish(out, 0, end, nullptr);
  format.AppendEnd(out, {.prompt_tokens = 3, .cached_tokens = 1, .completion_tokens = 5});
  return out;
}

// Each event's name is its type.
inline std::vector<boost::json::value> NamedEvents(const std::string& stream) {
  namespace json = boost::json;
  std::vector<json::value> events;
  for (size_t at = 0; at < stream.size();) {
    REQUIRE(stream.substr(at, 7) == "event: ");
    const size_t line = stream.find('\n', at);
    const size_t end = stream.find("\n\n", at);
    REQUIRE(stream.substr(line + 1, 6) == "data: ");
    events.push_back(json::parse(stream.substr(line + 7, end - line - 7)));
    CHECK(events.back().at("type") == json::value(stream.substr(at + 7, line - at - 7)));
    at = end + 2;
  }
  return events;
}

}  // namespace waferline::openai
