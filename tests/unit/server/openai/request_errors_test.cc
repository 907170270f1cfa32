// Every bad field is an error that names it; unknown and misspelt ones, and names of other servers.
#include <catch2/catch.hpp>

#include "tests/unit/server/openai/request_cases.h"

namespace waferline::openai {

TEST_CASE("every bad field gives 400 and its name") {
  const auto [fields, param] = GENERATE(table<std::string, std::string>({
      {R"("prompt":"a","temperature":-0.1)", "temperature"},
      {R"("prompt":"a","temperature":2.1)", "temperature"},
      {R"("prompt":"a","temperature":"hot")", "temperature"},
      {R"("prompt":"a","temperature":1e999)", "temperature"},
      {R"("prompt":"a","top_p":1.01)", "top_p"},
      {R"("prompt":"a","top_k":-2)", "top_k"},
      {R"("prompt":"a","top_k":1.5)", "top_k"},
      {R"("prompt":"a","min_p":2)", "min_p"},
      {R"("prompt":"a","repetition_penalty":0)", "repetition_penalty"},
      {R"("prompt":"a","frequency_penalty":-3)", "frequency_penalty"},
      {R"("prompt":"a","presence_penalty":3)", "presence_penalty"},
      {R"("prompt":"a","seed":1.5)", "seed"},
      {R"("prompt":"a","seed":1e300)", "seed"},
      {R"("prompt":"a","n":0)", "n"},
      {R"("prompt":"a","n":129)", "n"},
      {R"("prompt":["a","b"],"n":100)", "n"},
      {R"("prompt":"a","max_tokens":0)", "max_tokens"},
      {R"("prompt":"a","max_tokens":-1)", "max_tokens"},
      {R"("prompt":"a","max_tokens":99999999999999999999)", "max_tokens"},
      {R"("prompt":"a","max_tokens":5,"max_completion_tokens":6)", "max_tokens"},
      {R"("prompt":"a","max_tokens":5,"min_tokens":6)", "min_tokens"},
      {R"("prompt":"a","stop":"")", "stop"},
      {R"("prompt":"a","stop":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q"])",
       "stop"},
      {R"("prompt":"a","stop":["a",7])", "stop[1]"},
      {R"("prompt":"a","stop_token_ids":[261])", "stop_token_ids[0]"},
      {R"("prompt":"a","stop_token_ids":["x"])", "stop_token_ids[0]"},
      {R"("prompt":"a","logit_bias":{"261":1})", "logit_bias"},
      {R"("prompt":"a","logit_bias":{"a":1})", "logit_bias"},
      {R"("prompt":"a","logit_bias":{"1":101})", "logit_bias.1"},
      {R"("prompt":"a","logit_bias":[])", "logit_bias"},
      {R"("prompt":"a","logprobs":21)", "logprobs"},
      {R"("prompt":"a","logprobs":true)", "logprobs"},
      {R"("prompt":"a","stream":"yes")", "stream"},
      {R"("prompt":"a","stream_options":{"include_usage":true})", "stream_options"},
      {R"("prompt":"a","stream":true,"stream_options":{"include_usage":1})",
       "stream_options.include_usage"},
      {R"("prompt":"a","service_tier":"gold")", "service_tier"},
      {R"("prompt":"a","priority":3000000000)", "priority"},
      {R"("prompt":"a","user":7)", "user"},
      {R"("prompt":"a","metadata":5)", "metadata"},
      {R"("prompt":"a","safety_identifier":{})", "safety_identifier"},
      {R"("prompt":"a","prompt_cache_key":1)", "prompt_cache_key"},
      {R"("prompt":"a","cache_prompt":"yes")", "cache_prompt"},
      {R"("prompt":"a","echo":1)", "echo"},
      {R"("prompt":"a","waferline":{"arrival_ns":-1,"arrival_number":0})", "waferline.arrival_ns"},
      {R"("prompt":"a","waferline":{"arrival_ns":1})", "waferline.arrival_ns"},
      {R"("prompt":"a","waferline":{"arrival_number":1})", "waferline.arrival_ns"},
      {R"("prompt":"a","waferline":{"last_arrival":true})", "waferline.last_arrival"},
      {R"("prompt":"a","n":2,"waferline":{"arrival_ns":1,"arrival_number":1})",
       "waferline.arrival_number"},
      {R"("max_tokens":1)", "prompt"},
      {R"("prompt":[])", "prompt"},
      {R"("prompt":{})", "prompt"},
      {R"("prompt":[97,261])", "prompt[1]"},
      {R"("prompt":[97,-1])", "prompt[1]"},
      {R"("prompt":[97,"a"])", "prompt[1]"},
      {R"("prompt":["a",97])", "prompt[1]"},
      {R"("prompt":[[97],[]])", "prompt[1]"},
      // Known and not supported.
      {R"("prompt":"a","tools":[{}])", "tools"},
      {R"("prompt":"a","response_format":{"type":"xml"})", "response_format.type"},
      {R"("prompt":"a","suffix":"z")", "suffix"},
      {R"("prompt":"a","best_of":2)", "best_of"},
      {R"("prompt":"a","guided_regex":"a++")", "guided_regex"},
      {R"("prompt":"a","guided_regex":"a","guided_choice":["b"])", "guided_choice"},
      {R"("prompt":"a","guided_choice":[1])", "guided_choice[0]"},
      {R"("prompt":"a","guided_json":7)", "guided_json"},
      {R"("prompt":"a","grammar":"start ::= \"a\"")", "grammar"},
      {R"("prompt":"a","structured_outputs":{"whitespace_pattern":" "})",
       "structured_outputs.whitespace_pattern"},
      {R"("prompt":"a","structured_outputs":{"json":{"not":{}}})", "structured_outputs.json"},
      {R"("prompt":"a","use_beam_search":true)", "use_beam_search"},
      {R"("prompt":"a","typical_p":0.5)", "typical_p"},
      {R"("prompt":"a","mirostat":2)", "mirostat"},
      {R"("prompt":"a","add_special_tokens":false)", "add_special_tokens"},
      {R"("prompt":"a","detokenize":false)", "detokenize"},
      {R"("prompt":"a","modalities":["text","audio"])", "modalities"},
      {R"("prompt":"a","top_logprobs":2)", "top_logprobs"},
      {R"("prompt":"a","return_raw_tokens":true)", "return_raw_tokens"},
  }));
  INFO(fields);
  auto parsed = Completion(fields);
  if (parsed.ok()) {
    if (const absl::Status compiled = CompileConstraint(&*parsed); !compiled.ok()) {
      parsed = compiled;
    }
  }
  REQUIRE(!parsed.ok());
  CHECK(HttpCode(parsed.status()) == 400);
  INFO(Body(parsed.status()));
  CHECK(Body(parsed.status()).find("\"param\":\"" + param + "\"") != std::string::npos);
  CHECK(Body(parsed.status()).find("\"type\":\"invalid_request_error\"") != std::string::npos);
}

TEST_CASE("what is off is not an error though it is not supported") {
  CHECK(Completion(R"("prompt":"a","tools":[],"suffix":"","best_of":1,
                      "response_format":{"type":"text"},"use_beam_search":false,"typical_p":1,
                      "mirostat":0,"modalities":["text"],"add_special_tokens":true)")
            .ok());
  CHECK(Chat(kHi + R"(,"tool_choice":"none","store":false,"best_of":1)").ok());
}

TEST_CASE("a field that nothing reads is refused as a misspelling, or named in a warning") {
  CHECK(Completion(R"("prompt":"a")")->warning.empty());
  CHECK(Completion(R"("prompt":"a","brand_new_field":null,"metadata":{}, "safety_identifier":"x")")
            ->warning == "fields without effect: brand_new_field, metadata, safety_identifier");
  // Longer names that contain a known one are fields of their own.
  CHECK(Chat(kHi + R"(,"reasoning":{},"keep_alive":5,"format":"json","options":{})")->warning ==
        "fields without effect: reasoning, keep_alive, format, options");
  const auto [field, meant] = GENERATE(table<std::string, std::string>({
      {"max_token", "max_tokens"},
      {"maxTokens", "max_tokens"},
      {"max-tokens", "max_tokens"},
      {"max_completion_token", "max_completion_tokens"},
      {"temprature", "temperature"},
      {"Temperature", "temperature"},
      {"top-p", "top_p"},
      {"stops", "stop"},
      {"streem", "stream"},
      {"ignore_eso", "ignore_eos"},
      {"repetition_penality", "repetition_penalty"},
      {"chat_template_args", "chat_template_kwargs"},
  }));
  const auto refused = Completion("\"prompt\":\"a\",\"" + field + "\":1");
  REQUIRE(!refused.ok());
  CHECK(Body(refused.status()).find("did you mean '" + meant + "'?") != std::string::npos);
  CHECK(Body(refused.status()).find("\"param\":\"" + field + "\"") != std::string::npos);
}

TEST_CASE("an error of a type names every type that is allowed") {
  const auto [fields, said] = GENERATE(table<std::string, std::string>({
      {R"("stop":7)", "'stop' must be a string of 1 to 1024 bytes, or a list of at most 16"},
      {R"("stop_sequences":7)", "'stop_sequences' must be a string of 1 to 1024 bytes, or a list"},
      {R"("seed":"x")", "'seed' must be an integer of 64 bits"},
  }));
  const auto refused = Completion("\"prompt\":\"a\"," + fields);
  REQUIRE(!refused.ok());
  INFO(Body(refused.status()));
  CHECK(Body(refused.status()).find(said) != std::string::npos);
}

TEST_CASE("a choice of tools is a word or a function") {
  for (const std::string choice : {"5", "[]", "{}", R"("f")", R"({"type":"function"})"}) {
    const auto refused = Chat(
        kHi + R"(,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":)" + choice);
    INFO(choice << Body(refused.status()));
    CHECK(Body(refused.status()).find("must be none, auto, required or {") != std::string::npos);
  }
}

TEST_CASE("arguments of a call are JSON in a string, or an object") {
  const auto call = [](const std::string& arguments) {
    return Chat(R"("messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[
                   {"id":"1","type":"function","function":{"name":"f","arguments":)" +
                arguments + "}}]}]");
  };
  CHECK(call("{}").ok());
  CHECK(call(R"("{}")").ok());
  CHECK(Body(call("7").status()).find("must be JSON in a string, or an object") !=
        std::string::npos);
}

TEST_CASE("a body that is not UTF-8 is called that, with the place") {
  const auto message = [](const std::string& fields) {
    return std::string(Completion(fields).status().message());
  };
  // Before the fields stands {"model":"bytes", and "prompt":"a is 11 bytes.
  const size_t before = std::string(R"({"model":"bytes",)").size() + 11;
  for (const std::string wrong : {"\xff", "\xc3(", "\xed\xa0\x80", "\xe2\x82"}) {
    const std::string said = message("\"prompt\":\"a" + wrong + "\"");
    INFO(said);
    CHECK(said.find("not valid UTF-8 at byte " + std::to_string(before)) != std::string::npos);
  }
  CHECK(message("\"prompt\":\"a\"]\xff").find("not valid JSON at byte") != std::string::npos);
  CHECK(message("\"prompt\":\"\xe2\x82\xac\"").empty());
}

TEST_CASE("unknown fields are bounded and fit for a header, or refused where configured") {
  std::string many = R"("prompt":"a")";
  for (int i = 0; i < 40; ++i) many += ",\"unheard_of_" + std::to_string(i) + "\":1";
  CHECK(Completion(many)->warning.ends_with("unheard_of_15 and 24 more"));
  const auto odd = Completion("\"prompt\":\"a\",\"x\\r\\nset-cookie: y\":1,\"" +
                              std::string(5000, 'z') + "\":1");
  CHECK(odd->warning.find_first_of("\r\n") == std::string::npos);
  CHECK(odd->warning.size() < 200);
  static const text::ModelCatalog catalog = ByteCatalog();
  Envelope envelope = kEnvelope;
  envelope.dialect.refuse_unknown_fields = true;
  const auto refused =
      ParseCompletion(R"({"model":"bytes","prompt":"a","metadata":{}})", envelope, catalog);
  CHECK(Body(refused.status()).find("\"param\":\"metadata\"") != std::string::npos);
}

TEST_CASE("every name that a misspelling may mean is read") {
  const std::string fields =
      R"("messages":[{"role":"user","content":"hi"}],"max_tokens":5,"max_completion_tokens":5,"max_output_tokens":5,
         "min_tokens":0,"temperature":1,"top_p":1,"top_k":1,"min_p":0,"seed":1,"stop":"x",
         "stream":true,"stream_options":{},"logprobs":true,"top_logprobs":1,"logit_bias":{},
         "frequency_penalty":0,"presence_penalty":0,"repetition_penalty":1,"ignore_eos":false,
         "stop_token_ids":[],"response_format":{"type":"text"},"tools":[],"tool_choice":"none",
         "service_tier":"auto","priority":0,"cache_salt":"","echo":false,"best_of":1,
         "return_token_ids":false,"chat_template_kwargs":{},"include_stop_str_in_output":false,
         "skip_special_tokens":true,"reasoning_effort":"none","user":"u","waferline":{})";
  const auto parsed = Chat(fields);
  REQUIRE(parsed.ok());
  CHECK(parsed->warning.empty());
}

TEST_CASE("other servers' names of a field work; two that contradict are refused") {
  for (const char* name : {"max_tokens", "max_completion_tokens", "n_predict", "num_predict",
                           "max_new_tokens", "max_output_tokens", "max_tokens_to_sample"}) {
    INFO(name);
    const auto parsed = Completion(std::string("\"prompt\":\"a\",\"") + name + "\":7");
    REQUIRE(parsed.ok());
    CHECK(parsed->requests[0].max_tokens == 7);
    CHECK(parsed->warning.empty());
  }
  CHECK(Completion(R"("prompt":"a","n_predict":-1)")->requests[0].max_tokens == 16);
  CHECK(!Completion(R"("prompt":"a","max_tokens":-1)").ok());
  for (const char* name : {"min_tokens", "min_completion_tokens", "min_new_tokens"}) {
    CHECK(Completion(std::string("\"prompt\":\"a\",\"") + name + "\":3")
              ->requests[0]
              .sampling.min_tokens == 3);
  }
  CHECK(
      Completion(R"("prompt":"a","repeat_penalty":1.5)")->requests[0].sampling.repetition_penalty ==
      1.5f);
  CHECK(Completion(R"("prompt":"a","random_seed":7)")->requests[0].sampling.seed ==
        Completion(R"("prompt":"a","seed":7)")->requests[0].sampling.seed);
  CHECK(Completion(R"("prompt":"a","stop_sequences":["x"])")->shape.text.stop ==
        std::vector<std::string>{"x"});
  CHECK(Completion(R"("prompt":"a","max_tokens":5,"n_predict":5)").ok());
  const auto both = Completion(R"("prompt":"a","max_tokens":5,"n_predict":6)");
  CHECK(Body(both.status()).find("contradict") != std::string::npos);
}

TEST_CASE("a synthetic text ends where no limit is asked for") {
  static const text::ModelCatalog catalog = [] {
    text::ServedModel model = *ByteCatalog().all().front();
    model.origin = text::TokenOrigin::kEmulated;
    return text::ModelCatalog({std::make_shared<const text::ServedModel>(std::move(model))});
  }();
  const auto parsed = ParseChat("\xEF\xBB\xBF{" + kHi + "}", kEnvelope, catalog);
  REQUIRE(parsed.ok());
  CHECK(parsed->requests[0].max_tokens == text::kStandInAnswer);
}

TEST_CASE("what is not JSON, or not UTF-8, or too deep") {
  static const text::ModelCatalog catalog = ByteCatalog();
  const std::string deep =
      "{\"model\":\"bytes\",\"prompt\":" + std::string(10000, '[') + std::string(10000, ']') + "}";
  const std::vector<std::string> bodies = {"",
                                           "{",
                                           "[]",
                                           "7",
                                           "null",
                                           "{\"model\":\"bytes\",}",
                                           "{} {}",
                                           "{\"a\":\"\xff\"}",
                                           "{\"a\":\"\xc3\"}",
                                           "{\"a\":\"\\ud800\"}",
                                           deep,
                                           std::string("{\"a\":\"\0\"}", 9)};
  for (const std::string& body : bodies) {
    INFO(body.substr(0, 60));
    const auto parsed = ParseCompletion(body, kEnvelope, catalog);
    REQUIRE(!parsed.ok());
    CHECK(HttpCode(parsed.status()) == 400);
  }
  CHECK(ParseCompletion("{\"model\":\"bytes\",\"prompt\":\"a\"} \n", kEnvelope, catalog).ok());
}

}  // namespace waferline::openai
