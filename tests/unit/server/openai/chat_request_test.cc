// Chats: formats, templates, reasoning, and what is wrong with a message.
#include <catch2/catch.hpp>

#include "tests/unit/server/openai/request_cases.h"

namespace waferline::openai {

TEST_CASE("every way to ask for a format gives a constraint") {
  for (
      const char* fields :
      {R"("response_format":{"type":"json_object"})",
       R"("response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{}}}})",
       R"("structured_outputs":{"regex":"[ab]+"})", R"("structured_outputs":{"choice":["a","b"]})",
       R"("structured_outputs":{"json":"{\"type\":\"integer\"}"})",
       R"("structured_outputs":{"json_object":true})",
       R"("structured_outputs":{"grammar":"root ::= [a-z]+"})", R"("guided_json":{"type":"null"})",
       R"("guided_choice":["x"])", R"("json_schema":{"enum":[1,2]})",
       R"("grammar":"root ::= [0-9]{3}")"}) {
    INFO(fields);
    auto chat = Chat(kHi + "," + fields);
    REQUIRE(chat.ok());
    REQUIRE(CompileConstraint(&*chat).ok());
    CHECK(chat->requests[0].sampling.constraint != nullptr);
    auto completion = Completion(std::string(R"("prompt":"a",)") + fields);
    REQUIRE(completion.ok());
    REQUIRE(CompileConstraint(&*completion).ok());
    CHECK(FindConstraint(&*completion));
    CHECK(completion->requests[0].sampling.constraint != nullptr);
  }
  CHECK(Chat(kHi + R"(,"response_format":{"type":"text"},"grammar":"")")
            ->requests[0]
            .sampling.constraint == nullptr);
}

TEST_CASE("a template gets the reasoning of earlier turns and the switches that it reads") {
  text::ServedModel model = *ByteCatalog().all()[0];
  constexpr const char* kSource =
      "{{ reasoning_effort }}|{{ clear_thinking }}|{{ enable_thinking }}|"
      "{% for m in messages %}{{ m.reasoning_content }},{{ m.content }};{% endfor %}";
  model.chat = text::ChatTemplate::FromText("t", kSource, model.tokenizer);
  const text::ModelCatalog catalog({std::make_shared<const text::ServedModel>(model)});
  const auto prompt = [&](const std::string& fields) {
    const auto parsed = ParseChat(
        R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b",
            "reasoning_content":"hm"},{"role":"user","content":"c"}])" +
            fields + "}",
        kEnvelope, catalog);
    CAPTURE(fields, parsed.status().ToString());
    REQUIRE(parsed.ok());
    return model.tokenizer->Decode(*parsed->requests[0].prompt, true);
  };
  CHECK(prompt("") == "|||,a;hm,b;,c;");
  CHECK(prompt(R"(,"reasoning_effort":"low","clear_thinking":false)") == "low|False||,a;hm,b;,c;");
  CHECK(prompt(R"(,"reasoning_effort":"none","clear_thinking":true)") == "|True|False|,a;hm,b;,c;");
  // Of a template without these switches.
  CHECK(Body(Chat(kHi + R"(,"clear_thinking":false)").status()).find("unsupported_parameter") !=
        std::string::npos);
  CHECK(Chat(kHi + R"(,"clear_thinking":true)").ok());
}

TEST_CASE("reasoning is looked for where the template has marks, and may be left out") {
  const auto plain = Chat(kHi);
  REQUIRE(plain.ok());
  CHECK(plain->shape.reasoning == text::ReasoningMarks::kNone);
  const auto thinks = Chat(kHi, "thinker");
  REQUIRE(thinks.ok());
  CHECK(thinks->shape.reasoning == text::ReasoningMarks::kThink);
  CHECK(thinks->shape.reasoning_opened);
  CHECK(thinks->shape.include_reasoning);
  const auto quiet =
      Chat(kHi + R"(,"chat_template_kwargs":{"enable_thinking":false},"include_reasoning":false)",
           "thinker");
  REQUIRE(quiet.ok());
  CHECK(!quiet->shape.reasoning_opened);
  CHECK(!quiet->shape.include_reasoning);
  CHECK(quiet->warning.empty());
}

TEST_CASE("reasoning can be asked away, verbosity has one value, our extension is strict") {
  CHECK(Chat(kHi + R"(,"disable_reasoning":true)")->warning.empty());
  CHECK(Chat(kHi + R"(,"reasoning_effort":"none","verbosity":"medium")").ok());
  CHECK(Chat(kHi + R"(,"reasoning_effort":"high")")
            ->warning.starts_with(
                "reasoning_effort without effect: this model's template has no efforts"));
  CHECK(!Chat(kHi + R"(,"reasoning_effort":5)").ok());
  Envelope strict = kEnvelope;
  strict.dialect.refuse_unknown_fields = true;
  static const text::ModelCatalog models = ByteCatalog();
  const auto refused =
      ParseChat("{\"model\":\"bytes\"," + kHi + R"(,"reasoning_effort":"high"})", strict, models);
  CHECK(Body(refused.status()).find("\"param\":\"reasoning_effort\"") != std::string::npos);
  CHECK(!Chat(kHi + R"(,"verbosity":"low")").ok());
  CHECK(!Chat(kHi + R"(,"disable_reasoning":1)").ok());
  const auto parsed = Chat(kHi + R"(,"stream":true,"stream_options":{"continuous_usage_stats":true},
                "waferline":{"token_events":true})");
  REQUIRE(parsed.ok());
  CHECK(parsed->shape.continuous_usage);
  CHECK(parsed->shape.token_events);
  CHECK(Body(Chat(kHi + R"(,"waferline":{"token_event":true})").status())
            .find("\"param\":\"waferline.token_event\"") != std::string::npos);
}

TEST_CASE("chat renders the model's template and ends with its stop strings") {
  const auto parsed = Chat(R"("messages":[{"role":"system","content":"S"},
      {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}],
      "max_completion_tokens":3,"stream":true,"stream_options":{"include_usage":true})");
  REQUIRE(parsed.ok());
  CHECK(parsed->requests[0].max_tokens == 3);
  CHECK(parsed->shape.chat());
  CHECK(parsed->shape.stream);
  CHECK(parsed->shape.include_usage);
  // Without a limit: whatever the context leaves.
  const auto open = Chat(kHi);
  REQUIRE(open.ok());
  CHECK(open->requests[0].max_tokens + open->requests[0].prompt->size() == 1000);
}

TEST_CASE("bad chats name the message") {
  const auto [fields, param] = GENERATE(table<std::string, std::string>({
      {R"("messages":[])", "messages"},
      {R"("messages":"hi")", "messages"},
      {R"("messages":["hi"])", "messages[0]"},
      {R"("messages":[{"role":"user"}])", "messages[0].content"},
      {R"("messages":[{"role":"robot","content":"a"}])", "messages[0].role"},
      {R"("messages":[{"role":"robot","content":"a"}])", "messages[0].role"},
      {R"("messages":[{"role":"user","content":7}])", "messages[0].content"},
      {R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}])",
       "messages[0].content[0].type"},
      {R"("messages":[{"role":"assistant","tool_calls":[{}]}])", "messages[0].tool_calls[0]"},
      {kHi + R"(,"top_logprobs":2)", "top_logprobs"},
      {kHi + R"(,"logprobs":3)", "logprobs"},
      {kHi + R"(,"tools":[{}])", "tools[0].type"},
      {kHi + R"(,"tool_choice":"auto")", "tool_choice"},
      {kHi + R"(,"response_format":{"type":"json_schema","json_schema":{}})",
       "response_format.json_schema.schema"},
      {kHi + R"(,"response_format":{"type":"json_schema"})", "response_format.json_schema"},
      {kHi + R"(,"response_format":{"type":"json_object"},"grammar":"root ::= .")", "grammar"},
      {kHi + R"(,"max_tokens":0)", "max_tokens"},
      {kHi + R"(,"best_of":2)", "best_of"},
      {kHi + R"(,"verbosity":"low")", "verbosity"},
      {kHi + R"(,"add_generation_prompt":false)", "add_generation_prompt"},
      {kHi + R"(,"chat_template_kwargs":[1])", "chat_template_kwargs"},
  }));
  INFO(fields);
  const auto parsed = Chat(fields);
  REQUIRE(!parsed.ok());
  INFO(Body(parsed.status()));
  CHECK(HttpCode(parsed.status()) == 400);
  CHECK(Body(parsed.status()).find("\"param\":\"" + param + "\"") != std::string::npos);
}

}  // namespace waferline::openai
