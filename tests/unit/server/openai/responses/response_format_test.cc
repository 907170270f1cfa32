// Answers of /v1/responses: events that add up to the object that a document is.
#include "server/openai/responses/response_format.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>

#include "tests/unit/server/openai/event_streams.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

// In order, as their numbers say.
std::vector<json::value> Events(const std::string& stream) {
  std::vector<json::value> events = NamedEvents(stream);
  for (size_t i = 0; i < events.size(); ++i) {
    CHECK(events[i].at("sequence_number") == json::value(i));
  }
  return events;
}

std::vector<std::string> Types(const std::vector<json::value>& events) {
  std::vector<std::string> types;
  for (const auto& event : events) types.emplace_back(event.at("type").get_string());
  return types;
}

}  // namespace

TEST_CASE("a text is one message, its events are numbered and in order") {
  const ResponseShape shape = ChatShape("resp_1");
  ResponseFormat format({.repeated = ",\"top_p\":1", .messages = {}, .store = nullptr}, shape);
  const auto events = Events(StreamOf(format, {{.text = "Hel"}, {.text = "lo"}}, {}));
  CHECK(Types(events) ==
        std::vector<std::string>{"response.created", "response.in_progress",
                                 "response.output_item.added", "response.content_part.added",
                                 "response.output_text.delta", "response.output_text.delta",
                                 "response.output_text.done", "response.content_part.done",
                                 "response.output_item.done", "response.completed"});
  const json::value& response = events.back().at("response");
  CHECK(response.at("status") == "completed");
  CHECK(response.at("top_p") == 1);
  CHECK(response.at("output").at(0).at("content").at(0).at("text") == "Hello");
  CHECK(response.at("usage").at("output_tokens") == 5);
  CHECK(events[0].at("response").at("output").get_array().empty());
  CHECK(events[4].at("item_id") == response.at("output").at(0).at("id"));
}

TEST_CASE("reasoning, text and calls are items; a document has the same ones") {
  ResponseShape shape = ChatShape("resp_1");
  shape.calls = kJsonCalls;
  const std::vector<Delta> deltas = {
      {.reasoning = "Hm."},
      {.text = "I look.\n"},
      {.text = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\""},
      {.text =
           ": 1}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>"}};
  StoredResponse stored;
  const ResponsePlan plan{.repeated = "", .messages = {}, .store = [&](StoredResponse one) {
                            stored = std::move(one);
                          }};
  ResponseFormat streamed(plan, shape);
  const auto events = Events(StreamOf(streamed, deltas, {}));
  const json::value& response = events.back().at("response");
  const json::array& output = response.at("output").get_array();
  REQUIRE(output.size() == 4);
  CHECK(output[0].at("type") == "reasoning");
  CHECK(output[0].at("content").at(0).at("text") == "Hm.");
  CHECK(output[1].at("content").at(0).at("text") == "I look.");
  CHECK(output[2].at("name") == "f");
  CHECK(output[2].at("arguments") == "{\"a\": 1}");
  CHECK(output[3].at("name") == "g");
  CHECK(output[2].at("call_id") != output[3].at("call_id"));
  CHECK(stored.messages.at(0).at("reasoning_content") == "Hm.");
  CHECK(stored.messages.at(0).at("tool_calls").at(1).at("function").at("name") == "g");

  ChoiceResult whole;
  for (const Delta& delta : deltas) {
    whole.generated.text += delta.text;
    whole.generated.reasoning += delta.reasoning;
  }
  ResponseFormat document(plan, shape);
  CHECK(json::parse(document.Document({whole})).at("output") == response.at("output"));
}

TEST_CASE("an answer that is cut short is incomplete, one that fails is failed") {
  const ResponseShape shape = ChatShape("resp_1");
  const ResponsePlan plan{.repeated = "", .messages = {}, .store = nullptr};
  ResponseFormat cut(plan, shape);
  const auto events = Events(StreamOf(cut, {{.text = "Hel"}}, {.reason = FinishReason::kLength}));
  CHECK(events.back().at("type") == "response.incomplete");
  CHECK(events.back().at("response").at("incomplete_details").at("reason") == "max_output_tokens");
  CHECK(events.back().at("response").at("output").at(0).at("status") == "incomplete");

  ResponseFormat broken(plan, shape);
  std::string out;
  broken.AppendStart(out);
  broken.AppendDelta(out, 0, {.text = "Hel"});
  broken.AppendFailure(out, absl::UnavailableError("the worker is \"gone\""));
  const auto failed = Events(out);
  CHECK(failed[failed.size() - 2].at("type") == "error");
  CHECK(failed.back().at("type") == "response.failed");
  CHECK(failed.back().at("response").at("error").at("message") == "the worker is \"gone\"");
}

TEST_CASE("an answer begins with the tier that was asked for and ends with the one that served") {
  ResponseShape shape = ChatShape("resp_1");
  shape.service_tier = "priority";
  const ResponsePlan plan{.repeated = "", .messages = {}, .store = nullptr};
  ResponseFormat format(plan, shape);
  std::string out;
  format.AppendStart(out);
  format.SetServed(ServiceTier::kDefault);
  format.AppendFinish(out, 0, {}, nullptr);
  format.AppendEnd(out, {});
  const auto events = Events(out);
  CHECK(events.front().at("response").at("service_tier") == "priority");
  CHECK(events.back().at("response").at("service_tier") == "default");
}

TEST_CASE("an answer without a token is an empty message") {
  const ResponseShape shape = ChatShape("resp_1");
  ResponseFormat format({.repeated = "", .messages = {}, .store = nullptr}, shape);
  const auto answer = json::parse(format.Document({ChoiceResult()}));
  CHECK(answer.at("output").at(0).at("content").at(0).at("text") == "");
  CHECK(answer.at("status") == "completed");
}

}  // namespace waferline::openai
