// Answers of /v1/messages: events that add up to the message that a document is.
#include "server/anthropic/message_format.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>

#include "tests/unit/server/openai/event_streams.h"

namespace waferline::anthropic {
namespace {

namespace json = boost::json;
using openai::Delta;

// What a client puts together from the events.
json::array Blocks(const std::vector<json::value>& events) {
  json::array blocks;
  std::vector<std::string> inputs;
  for (const json::value& event : events) {
    const json::string& type = event.at("type").get_string();
    if (type == "content_block_start") {
      CHECK(event.at("index") == json::value(blocks.size()));
      blocks.push_back(event.at("content_block"));
      inputs.emplace_back();
    }
    if (type != "content_block_delta") continue;
    const json::object& delta = event.at("delta").get_object();
    json::object& block = blocks.back().get_object();
    for (const char* field : {"text", "thinking"}) {
      if (delta.contains(field)) block[field].get_string() += delta.at(field).get_string();
    }
    if (const auto* part = delta.if_contains("partial_json")) {
      inputs.back() += std::string(part->get_string());
    }
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (!inputs[i].empty()) blocks[i].get_object()["input"] = json::parse(inputs[i]);
  }
  return blocks;
}

}  // namespace

TEST_CASE("thinking, text and uses of tools are blocks; a document has the same ones") {
  auto shape = openai::ChatShape("msg_1");
  shape.calls = openai::kJsonCalls;
  const std::vector<Delta> deltas = {
      {.reasoning = "Hm."},
      {.text = "I look.\n"},
      {.text = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\""},
      {.text = ": 1}}\n</tool_call>"}};
  MessageFormat streamed({}, shape);
  const auto events = openai::NamedEvents(openai::StreamOf(streamed, deltas, {}));
  CHECK(events[0].at("type") == "message_start");
  CHECK(events[0].at("message").at("usage").at("input_tokens") == 3);
  CHECK(events.back().at("type") == "message_stop");
  const json::value& end = events[events.size() - 2];
  CHECK(end.at("delta").at("stop_reason") == "tool_use");
  CHECK(end.at("usage").at("input_tokens") == 2);
  CHECK(end.at("usage").at("cache_read_input_tokens") == 1);
  CHECK(end.at("usage").at("output_tokens") == 5);

  openai::ChoiceResult whole;
  for (const Delta& delta : deltas) {
    whole.generated.text += delta.text;
    whole.generated.reasoning += delta.reasoning;
  }
  MessageFormat document({}, shape);
  const auto message = json::parse(document.Document({whole}));
  CHECK(message.at("content") == json::value(Blocks(events)));
  CHECK(message.at("content").at(2).at("input").at("a") == 1);
  CHECK(message.at("stop_reason") == "tool_use");
  size_t starts = 0, stops = 0;
  for (const json::value& event : events) {
    starts += event.at("type") == "content_block_start" ? 1 : 0;
    stops += event.at("type") == "content_block_stop" ? 1 : 0;
  }
  CHECK(starts == 3);
  CHECK(stops == 3);
}

TEST_CASE("why an answer ended") {
  const auto shape = openai::ChatShape("msg_1");
  const auto ended = [&](const openai::ChoiceEnd& end) {
    MessageFormat format({"x"}, shape);
    openai::ChoiceResult result{.prompt = {}, .generated = {.text = "a"}, .end = end};
    return json::parse(format.Document({result}));
  };
  CHECK(ended({}).at("stop_reason") == "end_turn");
  CHECK(ended({}).at("stop_sequence").is_null());
  CHECK(ended({.reason = FinishReason::kLength}).at("stop_reason") == "max_tokens");
  CHECK(ended({.stop = "x"}).at("stop_reason") == "stop_sequence");
  CHECK(ended({.usage_id = "u1"}).at("usage").at("usage_id") == "u1");
  CHECK(!ended({}).at("usage").get_object().contains("usage_id"));
  CHECK(ended({}).at("usage").at("service_tier") == "standard");
  MessageFormat fast({}, shape);
  fast.SetServed(ServiceTier::kPriority);
  CHECK(json::parse(fast.Document({{}})).at("usage").at("service_tier") == "priority");
  CHECK(ended({.stop = "x"}).at("stop_sequence") == "x");
  CHECK(ended({.stop = "<template's>"}).at("stop_reason") == "end_turn");
}

TEST_CASE("input that is cut short has its whole members, a failure is an error event") {
  auto shape = openai::ChatShape("msg_1");
  shape.calls = openai::kJsonCalls;
  MessageFormat cut({}, shape);
  openai::ChoiceResult result;
  result.generated.text = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\"";
  result.end.reason = FinishReason::kLength;
  const auto message = json::parse(cut.Document({result}));
  CHECK(message.at("content").at(0).at("input").get_object().empty());
  CHECK(message.at("stop_reason") == "max_tokens");
  result.generated.text += ": 1, \"b\"";
  result.end = {.stop = "x"};
  MessageFormat stopped({"x"}, shape);
  const auto half = json::parse(stopped.Document({result}));
  CHECK(half.at("content").at(0).at("input") == json::value{{"a", 1}});
  CHECK(half.at("stop_reason") == "stop_sequence");
  // The model ended its turn within a call: nothing to make.
  MessageFormat ended({}, shape);
  result.end = {};
  CHECK(json::parse(ended.Document({result})).at("stop_reason") == "end_turn");

  MessageFormat broken({}, shape);
  std::string out;
  broken.AppendFailure(out, absl::UnavailableError("gone"));
  const auto events = openai::NamedEvents(out);
  CHECK(events[0].at("error").at("type") == "overloaded_error");
  CHECK(events[0].at("error").at("message") == "gone");
}

}  // namespace waferline::anthropic
