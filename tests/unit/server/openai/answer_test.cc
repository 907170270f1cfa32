// Tokens in, answers out. Law: what a stream says together is what the document says.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>

#include "server/openai/answer_writer.h"
#include "server/openai/api_error.h"
#include "server/openai/choice_text.h"
#include "server/openai/json_text.h"
#include "server/openai/token_text.h"
#include "tests/unit/server/openai/byte_model.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::openai {
namespace {

namespace json = boost::json;

const auto kTokenizer = ChatTokenizer();

std::shared_ptr<ResponseShape> Shape(ResponseShape::Kind kind, int n = 1) {
  auto shape = std::make_shared<ResponseShape>();
  shape->kind = kind;
  shape->id = "id-1";
  shape->created_unix_seconds = 1700000000;
  shape->model = "bytes";
  shape->n = n;
  shape->prompts.push_back(
      {std::make_shared<std::vector<TokenId>>(std::vector<TokenId>{kBos, 'p'}), "p"});
  shape->end_ids = kTokenizer->end_ids();
  return shape;
}

TokenValue Value(TokenId id) { return {id, -0.5f, {{id, -0.5f}, {'z', -1.5f}}}; }

// Feeds all tokens, cutting a delta after each token where `cut` says so.
struct Fed {
  std::vector<Delta> deltas;
  bool stopped = false;
};
template <typename Cut>
Fed FeedAll(const std::shared_ptr<const ResponseShape>& shape, const std::vector<TokenId>& ids,
            Cut cut) {
  ChoiceText text(shape, kTokenizer);
  Fed fed;
  Delta delta;
  for (size_t i = 0; i < ids.size() && !fed.stopped; ++i) {
    const TokenValue value = Value(ids[i]);
    fed.stopped = text.Feed({.index = static_cast<uint32_t>(i),
                             .value = &value,
                             .since_arrival = Microseconds(static_cast<int64_t>(i) + 1)},
                            &delta);
    if (cut(i) && !delta.empty()) fed.deltas.push_back(std::exchange(delta, {}));
  }
  text.Finish(&delta);
  if (!delta.empty()) fed.deltas.push_back(std::move(delta));
  return fed;
}

std::vector<TokenId> Bytes(std::string_view text) {
  return kTokenizer->Encode(text, {.add_special = false});
}

Delta Join(const std::vector<Delta>& deltas) {
  Delta all;
  for (const Delta& delta : deltas) {
    all.text += delta.text;
    all.reasoning += delta.reasoning;
    all.tokens.insert(all.tokens.end(), delta.tokens.begin(), delta.tokens.end());
  }
  return all;
}

std::vector<json::value> Events(std::string_view stream) {
  std::vector<json::value> events;
  while (!stream.empty()) {
    const size_t end = stream.find("\n\n");
    REQUIRE(end != std::string_view::npos);
    REQUIRE(stream.substr(0, 6) == "data: ");
    const std::string_view data = stream.substr(6, end - 6);
    if (data != "[DONE]") events.push_back(json::parse({data.data(), data.size()}));
    stream.remove_prefix(end + 2);
  }
  return events;
}

std::string Text(const json::value& value) { return std::string(value.as_string()); }

}  // namespace

TEST_CASE("however tokens are grouped, the text and its tokens are the same") {
  auto shape = Shape(ResponseShape::Kind::kCompletion);
  shape->logprobs = 1;
  shape->text.stop = {"STOP", "S!"};
  const std::string text = "gr\xc3\xbc\xc3\x9f STO dich\xf0\x9f\x98\x80 \xff! STOP never";
  const uint64_t seed = 20240;
  INFO("seed " << seed);
  const Fed alone = FeedAll(shape, Bytes(text), [](size_t) { return true; });
  CHECK(alone.stopped);
  const Delta expected = Join(alone.deltas);
  CHECK(expected.text == "gr\xc3\xbc\xc3\x9f STO dich\xf0\x9f\x98\x80 \xef\xbf\xbd! ");
  for (int round = 0; round < 50; ++round) {
    SeededStream random = SeededStream(seed).Fork(round);
    const Fed grouped = FeedAll(shape, Bytes(text), [&](size_t) { return random.Uniform() < 0.3; });
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
  const auto ids = Bytes("<think>\nhm</think>\n\nYes");
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

TEST_CASE("chat log-probabilities carry the bytes of tokens that are no text alone") {
  auto shape = Shape(ResponseShape::Kind::kChat);
  shape->logprobs = 2;
  const Delta all = Join(FeedAll(shape, Bytes("\xc3\xbc"), [](size_t) { return true; }).deltas);
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

TEST_CASE("JSON text is valid whatever the bytes") {
  const uint64_t seed = 7;
  INFO("seed " << seed);
  SeededStream random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (uint64_t i = random.Next() % 12; i > 0; --i) {
      bytes += static_cast<char>(random.Next() % 4 == 0 ? random.Next() % 128 : random.Next());
    }
    std::string quoted;
    AppendQuoted(quoted, bytes);
    json::error_code error;
    const json::value back = json::parse({quoted.data(), quoted.size()}, error);
    REQUIRE(!error);
    CHECK(Text(back) == ToUtf8(bytes));
    CHECK(IsUtf8(bytes) == (ToUtf8(bytes) == bytes));
  }
  std::string numbers;
  AppendNumber(numbers, -std::numeric_limits<float>::infinity());
  AppendNumber(numbers += ' ', std::nan(""));
  CHECK(numbers == "-9999 null");
}

TEST_CASE("errors in both shapes") {
  const absl::Status status = WithCode(FieldError("stop[1]", "must be \"x\""), "c");
  CHECK(ErrorBody(status) ==
        R"({"error":{"message":"must be \"x\"","type":"invalid_request_error",)"
        R"("param":"stop[1]","code":"c"}})");
  CHECK(ErrorBody(absl::UnavailableError("full"), ErrorShape::kFlat) ==
        R"({"message":"full","type":"service_unavailable_error","param":null,"code":null})");
  CHECK(HttpCode(absl::ResourceExhaustedError("")) == 429);
  CHECK(HttpCode(absl::DeadlineExceededError("")) == 504);
  CHECK(HttpCode(absl::InternalError("")) == 500);
}

TEST_CASE("tokenizer_info says what a client needs to tokenise and render by itself") {
  const text::ModelCatalog catalog = ByteCatalog();
  const auto info = TokenizerInfo("", catalog);
  REQUIRE(info.ok());
  const json::value all = json::parse(*info);
  CHECK(Text(all.at("model")) == "bytes");
  CHECK(Text(all.at("bos_token")) == "<s>");
  CHECK(Text(all.at("eos_token")) == "</s>");
  CHECK(all.at("add_bos_token").as_bool());
  CHECK(!all.at("add_eos_token").as_bool());
  CHECK(all.at("vocab_size") == 261);
  CHECK(all.at("model_max_length") == 1000);
  CHECK(Text(all.at("chat_template")).find("<|im_start|>") != std::string::npos);
  CHECK(json::parse(*TokenizerInfo("mute", catalog)).at("chat_template").is_null());
  CHECK(HttpCode(TokenizerInfo("gone", catalog).status()) == 404);
}

TEST_CASE("tokenize and detokenize undo each other") {
  const text::ModelCatalog catalog = ByteCatalog();
  const auto tokens = Tokenize(R"({"prompt":"ab","return_token_strs":true})", catalog, 0);
  REQUIRE(tokens.ok());
  CHECK(*tokens ==
        R"({"count":3,"max_model_len":1000,"tokens":[256,97,98],"token_strs":["<s>","a","b"]})");
  CHECK(*Tokenize(R"({"model":"mute","prompt":"","add_special_tokens":false})", catalog, 0) ==
        R"({"count":0,"max_model_len":1000,"tokens":[],"token_strs":null})");
  CHECK(*Detokenize(R"({"tokens":[256,97,98]})", catalog) == R"({"prompt":"<s>ab"})");
  CHECK(HttpCode(Detokenize(R"({"tokens":[300]})", catalog).status()) == 400);
  CHECK(HttpCode(Detokenize("{}", catalog).status()) == 400);
  CHECK(HttpCode(Tokenize("{}", catalog, 0).status()) == 400);
  CHECK(HttpCode(Tokenize(R"({"model":"x","prompt":""})", catalog, 0).status()) == 404);
  CHECK(json::parse(ModelList(catalog)).at("data").as_array().size() == catalog.all().size());
}

}  // namespace waferline::openai
