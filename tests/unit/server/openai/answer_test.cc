// Tokens in, answers out. Law: what a stream says together is what the document says.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>

#include "server/openai/answer_writer.h"
#include "server/openai/choice_text.h"
#include "server/openai/json_text.h"
#include "server/openai/token_text.h"
#include "tests/unit/server/openai/answer_cases.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::openai {

TEST_CASE("however tokens are grouped, the text and its tokens are the same") {
  auto shape = Shape(ResponseShape::Kind::kCompletion);
  shape->logprobs = 1;
  shape->text.stop = {"STOP", "S!"};
  const std::string text = "gr\xc3\xbc\xc3\x9f STO dich\xf0\x9f\x98\x80 \xff! STOP never";
  const uint64_t seed = 20240;
  INFO("seed " << seed);
  const Fed alone = FeedAll(shape, IdsOf(text), [](size_t) { return true; });
  CHECK(alone.stopped);
  const Delta expected = Join(alone.deltas);
  CHECK(expected.text == "gr\xc3\xbc\xc3\x9f STO dich\xf0\x9f\x98\x80 \xef\xbf\xbd! ");
  for (int round = 0; round < 50; ++round) {
    SeededStream random = SeededStream(seed).Fork(round);
    const Fed grouped = FeedAll(shape, IdsOf(text), [&](size_t) { return random.Uniform() < 0.3; });
    const Delta joined = Join(grouped.deltas);
    CHECK(joined.text == expected.text);
    CHECK(joined.tokens.size() == expected.tokens.size());
  }
  std::string visible;
  for (const TokenDetail& token : expected.tokens) {
    if (token.visible) visible += kTokenizer->Piece(token.id);
  }
  CHECK(ToUtf8(visible) == expected.text);
}

TEST_CASE("an end token is an id and no text") {
  auto shape = Shape(ResponseShape::Kind::kChat);
  shape->return_token_ids = true;
  const Delta all = Join(FeedAll(shape, {'a', kHello, kEos}, [](size_t) { return true; }).deltas);
  CHECK(all.text == "a hello");
  REQUIRE(all.tokens.size() == 3);
  CHECK(!all.tokens[2].visible);
}

TEST_CASE("reasoning: deltas together are the document's, and its tokens are counted") {
  auto shape = Shape(ResponseShape::Kind::kChat);
  shape->stream = true;
  shape->reasoning = text::ReasoningMarks::kThink;
  const auto ids = IdsOf("<think>\nhm</think>\n\nYes");
  const Fed fed = FeedAll(shape, ids, [](size_t) { return true; });
  const Delta all = Join(fed.deltas);
  CHECK(all.reasoning == "hm");
  CHECK(all.text == "Yes");
  AnswerWriter writer(*shape, *kTokenizer);
  std::string out;
  for (const Delta& delta : fed.deltas) writer.AppendDelta(out, 0, delta);
  std::string reasoning, content;
  for (const json::value& event : Events(out)) {
    const json::object& delta = event.at("choices").at(0).at("delta").as_object();
    if (delta.contains("reasoning_content")) reasoning += Text(delta.at("reasoning_content"));
    if (delta.contains("content")) content += Text(delta.at("content"));
  }
  CHECK(reasoning == all.reasoning);
  CHECK(content == all.text);

  ChoiceText text(shape, kTokenizer);
  Delta delta;
  for (const TokenId id : ids) {
    const TokenValue value = Value(id);
    text.Feed({.value = &value}, &delta);
  }
  text.Finish(&delta);
  CHECK(text.reasoning_tokens() == std::string("\nhm</think>").size());
  shape->stream = false;
  const ChoiceEnd end = {.generated_tokens = 25, .reasoning_tokens = text.reasoning_tokens()};
  const json::value document =
      json::parse(AnswerWriter(*shape, *kTokenizer).Document({{.generated = delta, .end = end}}));
  CHECK(Text(document.at("choices").at(0).at("message").at("reasoning_content")) == "hm");
  CHECK(Text(document.at("choices").at(0).at("message").at("content")) == "Yes");
  CHECK(document.at("usage").at("completion_tokens_details").at("reasoning_tokens") == 11);

  shape->include_reasoning = false;
  const Delta dropped = Join(FeedAll(shape, ids, [](size_t) { return true; }).deltas);
  CHECK(dropped.reasoning.empty());
  CHECK(dropped.text == "Yes");
}

TEST_CASE("chat log-probabilities carry the bytes of tokens that are not text alone") {
  auto shape = Shape(ResponseShape::Kind::kChat);
  shape->logprobs = 2;
  const Delta all = Join(FeedAll(shape, IdsOf("\xc3\xbc"), [](size_t) { return true; }).deltas);
  AnswerWriter writer(*shape, *kTokenizer);
  const json::value document =
      json::parse(writer.Document({{.generated = all, .end = {.generated_tokens = 2}}}));
  const auto& choice = document.at("choices").at(0);
  CHECK(Text(choice.at("message").at("content")) == "\xc3\xbc");
  const auto& content = choice.at("logprobs").at("content").as_array();
  REQUIRE(content.size() == 2);
  CHECK(Text(content[0].at("token")) == "\xef\xbf\xbd");
  CHECK(content[0].at("bytes").at(0).to_number<int>() == 0xc3);
  CHECK(content[0].at("top_logprobs").as_array().size() == 2);
  CHECK(content[1].at("logprob").to_number<double>() == Approx(-0.5));
}

TEST_CASE("echo: the prompt's tokens come first, the first of them without log-probability") {
  auto shape = Shape(ResponseShape::Kind::kCompletion);
  shape->echo = true;
  shape->logprobs = 1;
  const Delta all = Join(FeedAll(shape, {'a', kHello}, [](size_t) { return true; }).deltas);
  AnswerWriter writer(*shape, *kTokenizer);
  const json::value document =
      json::parse(writer.Document({{.prompt = PromptDetails(shape->prompts[0], {Value('p')}),
                                    .generated = all,
                                    .end = {.reason = FinishReason::kLength}}}));
  const auto& choice = document.at("choices").at(0);
  CHECK(Text(choice.at("text")) == "pa hello");
  CHECK(Text(choice.at("finish_reason")) == "length");
  const auto& logprobs = choice.at("logprobs");
  CHECK(json::serialize(logprobs.at("tokens")) == R"(["<s>","p","a"," hello"])");
  CHECK(logprobs.at("token_logprobs").at(0).is_null());
  CHECK(logprobs.at("top_logprobs").at(0).is_null());
  CHECK(logprobs.at("top_logprobs").at(2).as_object().size() == 2);
  CHECK(json::serialize(logprobs.at("text_offset")) == "[0,0,1,2]");
}

TEST_CASE("a completion stream and its document say the same") {
  auto shape = Shape(ResponseShape::Kind::kCompletion);
  shape->logprobs = 1;
  shape->return_token_ids = true;
  shape->instants = true;
  const Fed fed = FeedAll(shape, {'a', 0xc3, 0xbc, kHello, kEos}, [](size_t) { return true; });
  AnswerWriter documents(*shape, *kTokenizer);
  const json::value document = json::parse(documents.Document({{.generated = Join(fed.deltas)}}));
  const auto& whole = document.at("choices").at(0);

  shape->stream = true;
  AnswerWriter stream(*shape, *kTokenizer);
  std::string out;
  for (const Delta& delta : fed.deltas) stream.AppendDelta(out, 0, delta);
  std::string text;
  json::array tokens, offsets, ids, instants;
  const auto append = [](json::array& to, const json::value& from) {
    for (const auto& item : from.as_array()) to.push_back(item);
  };
  for (const auto& event : Events(out)) {
    const auto& choice = event.at("choices").at(0);
    text += Text(choice.at("text"));
    append(tokens, choice.at("logprobs").at("tokens"));
    append(offsets, choice.at("logprobs").at("text_offset"));
    append(ids, choice.at("token_ids"));
    append(instants, event.at("waferline").at("instants_ns"));
  }
  CHECK(text == Text(whole.at("text")));
  CHECK(tokens == whole.at("logprobs").at("tokens").as_array());
  CHECK(offsets == whole.at("logprobs").at("text_offset").as_array());
  CHECK(ids == whole.at("token_ids").as_array());
  CHECK(instants == whole.at("waferline").at("instants_ns").as_array());
  CHECK(json::serialize(ids) == "[97,195,188,260,257]");
  CHECK(json::serialize(tokens) == R"(["a","bytes:\\xc3","bytes:\\xbc"," hello"])");
  CHECK(json::serialize(instants) == "[1000,2000,3000,4000,5000]");
}

}  // namespace waferline::openai
