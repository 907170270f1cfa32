// Around the text of an answer: its chunks in order, usage, times, the tier that served it.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "server/openai/answer_writer.h"
#include "tests/unit/server/openai/answer_cases.h"

namespace waferline::openai {

TEST_CASE("a chat stream: role, content, reason, usage, and one id throughout") {
  auto shape = Shape(ResponseShape::Kind::kChat);
  shape->stream = true;
  shape->include_usage = true;
  AnswerWriter writer(*shape, *kTokenizer);
  std::string out;
  writer.AppendDelta(out, 0, {"Hel\"lo\n", {}});
  writer.AppendDelta(out, 0, {" you", {}});
  const Usage usage = {.prompt_tokens = 2,
                       .cached_tokens = 1,
                       .completion_tokens = 5,
                       .times = {.queue = Milliseconds(1),
                                 .prefill = Milliseconds(2),
                                 .transfer = Milliseconds(3),
                                 .decode = Milliseconds(4)}};
  writer.AppendFinish(out, 0, {}, &usage);
  writer.AppendEnd(out, usage);

  const auto events = Events(out);
  REQUIRE(events.size() == 5);
  for (const auto& event : events) {
    CHECK(Text(event.at("id")) == "id-1");
    CHECK(Text(event.at("object")) == "chat.completion.chunk");
    CHECK(event.at("created").to_number<int64_t>() == 1700000000);
    CHECK(event.as_object().contains("usage"));
  }
  const auto choice = [&](size_t i) { return events[i].at("choices").at(0); };
  CHECK(Text(choice(0).at("delta").at("role")) == "assistant");
  CHECK(Text(choice(1).at("delta").at("content")) == "Hel\"lo\n");
  CHECK(Text(choice(2).at("delta").at("content")) == " you");
  CHECK(choice(2).at("finish_reason").is_null());
  CHECK(Text(choice(3).at("finish_reason")) == "stop");
  CHECK(events[3].at("usage").is_null());
  CHECK(events[3].at("time_info").at("total_time").to_number<double>() == Approx(0.010));
  CHECK(events[4].at("choices").as_array().empty());
  CHECK(events[4].at("usage").at("total_tokens").to_number<int>() == 7);
  CHECK(events[4].at("usage").at("prompt_tokens_details").at("cached_tokens").to_number<int>() ==
        1);
  CHECK(events[4].at("time_info").at("prompt_time").to_number<double>() == Approx(0.005));
}

TEST_CASE("usage: running in every chunk, or in the finishing one, as asked or configured") {
  const Usage usage = {.prompt_tokens = 1, .completion_tokens = 3, .first_token = Milliseconds(7)};
  const auto stream = [&](const auto& change) {
    auto shape = Shape(ResponseShape::Kind::kChat);
    shape->stream = true;
    change(*shape);
    AnswerWriter writer(*shape, *kTokenizer);
    std::string out;
    writer.CountTokens(2);
    writer.AppendDelta(out, 0, {"ab", {}});
    writer.CountTokens(1);
    writer.AppendDelta(out, 0, {"c", {}});
    writer.AppendFinish(out, 0, {}, &usage);
    return Events(out);
  };
  const auto running = stream([](ResponseShape& shape) { shape.continuous_usage = true; });
  REQUIRE(running.size() == 4);  // role, two contents, finish
  CHECK(running[1].at("usage").at("completion_tokens").to_number<int>() == 2);
  CHECK(running[2].at("usage").at("completion_tokens").to_number<int>() == 3);
  CHECK(running[3].at("usage").at("total_tokens").to_number<int>() == 5);
  CHECK(running[3].at("time_info").at("first_token_time").to_number<double>() == Approx(0.007));
  const auto at_finish = stream([](ResponseShape& shape) { shape.usage_at_finish = true; });
  CHECK(!at_finish[2].as_object().contains("usage"));
  CHECK(at_finish[3].at("usage").at("completion_tokens").to_number<int>() == 3);
  const auto asked = stream([](ResponseShape& shape) {
    shape.usage_at_finish = true;
    shape.include_usage = true;  // its own chunk follows
  });
  CHECK(asked[3].at("usage").is_null());
  const auto tier = stream([](ResponseShape& shape) { shape.service_tier = "auto"; });
  CHECK(Text(tier[0].at("service_tier")) == "default");
  CHECK(Text(tier[0].at("service_tier_used")) == "default");
}

TEST_CASE("an answer says which tier served it: what was asked until it is known") {
  const auto said = [](const std::string& asked, std::optional<ServiceTier> served) {
    auto shape = Shape(ResponseShape::Kind::kCompletion);
    shape->service_tier = asked;
    AnswerWriter writer(*shape, *kTokenizer);
    if (served) writer.SetServed(*served);
    return Text(json::parse(writer.Document({ChoiceResult()})).at("service_tier"));
  };
  CHECK(said("", std::nullopt) == "default");
  CHECK(said("flex", std::nullopt) == "flex");
  CHECK(said("", ServiceTier::kPriority) == "priority");
  CHECK(said("priority", ServiceTier::kDefault) == "default");  // no fast unit had room
}

TEST_CASE("usage counts a shared prompt once and tokens, not chunks") {
  const auto shape = Shape(ResponseShape::Kind::kChat, 2);
  const ChoiceEnd end = {.prompt_tokens = 10,
                         .cached_tokens = 4,
                         .generated_tokens = 7,
                         .times = {.decode = Seconds(1)}};
  const Usage usage = SumUsage(*shape, {end, end});
  CHECK(usage.prompt_tokens == 10);
  CHECK(usage.cached_tokens == 4);
  CHECK(usage.completion_tokens == 14);
  CHECK(usage.times.total() == Seconds(1));
}

}  // namespace waferline::openai
