// Bodies in, ValidRequests out: defaults, every field's range, and errors that name the field.
#include "server/openai/request.h"

#include <catch2/catch.hpp>
#include <cfloat>

#include "server/openai/api_error.h"
#include "server/openai/embeddings.h"
#include "server/openai/sampling_fields.h"
#include "server/openai/token_text.h"
#include "server/serving/limits.h"
#include "tests/unit/server/openai/byte_model.h"

namespace waferline::openai {
namespace {

const Envelope kEnvelope = {.request_id = "r1", .fallback_seed = 77, .unix_seconds = 1700000000};

absl::StatusOr<ParsedRequest> Completion(const std::string& fields) {
  static const text::ModelCatalog catalog = ByteCatalog();
  return ParseCompletion("{\"model\":\"bytes\"," + fields + "}", kEnvelope, catalog);
}

absl::StatusOr<ParsedRequest> Chat(const std::string& fields, const std::string& model = "bytes") {
  static const text::ModelCatalog catalog = ByteCatalog();
  return ParseChat("{\"model\":\"" + model + "\"," + fields + "}", kEnvelope, catalog);
}

const std::string kHi = R"("messages":[{"role":"user","content":"hi"}])";

std::string Body(const absl::Status& status) { return ErrorBody(status); }

}  // namespace

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

TEST_CASE("a plain completion has OpenAI's defaults") {
  const auto parsed = Completion(R"("prompt":"ab")");
  REQUIRE(parsed.ok());
  REQUIRE(parsed->requests.size() == 1);
  const ValidRequest& request = parsed->requests[0];
  CHECK(*request.prompt == std::vector<TokenId>{kBos, 'a', 'b'});
  CHECK(request.model == "bytes");
  CHECK(request.max_tokens == 16);
  CHECK(request.sampling.temperature == 1.0f);
  CHECK(request.sampling.top_p == 1.0f);
  CHECK(request.sampling.top_k == 0);
  CHECK(request.sampling.seed == 77);
  CHECK(request.sampling.top_logprobs == -1);
  CHECK(request.sampling.end_ids == std::vector<TokenId>{kEos, kChatMlEnd});
  CHECK(!request.deadline);
  CHECK(parsed->shape.id == "cmpl-r1");
  CHECK(!parsed->shape.stream);
  CHECK(!parsed->shape.wants_details());
}

TEST_CASE("null means absent, and unknown fields have no effect") {
  const auto parsed = Completion(
      R"("prompt":"a","max_tokens":null,"stop":null,"temperature":null,"logit_bias":null,
         "seed":null,"stream_options":null,"brand_new_field":{"a":[1]},"tools":null)");
  REQUIRE(parsed.ok());
  CHECK(parsed->requests[0].max_tokens == 16);
}

TEST_CASE("all four kinds of prompt") {
  CHECK(Completion(R"("prompt":[97,98])")->requests[0].prompt->size() == 2);
  CHECK(Completion(R"("prompt":["a","bc"])")->requests[1].prompt->size() == 3);
  CHECK(Completion(R"("prompt":[[97],[98,99]])")->requests[1].prompt->size() == 2);
  const auto many = Completion(R"("prompt":["a","b"],"n":3,"seed":5)");
  REQUIRE(many->requests.size() == 6);
  // Each prompt's answers are what it would get alone.
  for (int i = 0; i < 3; ++i) {
    CHECK(many->requests[i].sampling.seed == SeedOfChoice(5, i));
    CHECK(many->requests[3 + i].sampling.seed == SeedOfChoice(5, i));
  }
  CHECK(SeedOfChoice(5, 0) == 5);
  CHECK(SeedOfChoice(5, 1) != SeedOfChoice(5, 2));
}

TEST_CASE("sampling fields arrive") {
  const auto parsed = Completion(
      R"("prompt":"a","temperature":0.5,"top_p":0.25,"top_k":7,"min_p":0.125,
         "repetition_penalty":1.5,"frequency_penalty":-1,"presence_penalty":2,"seed":-3,
         "min_tokens":2,"max_tokens":9,"stop_token_ids":[5],"ignore_eos":true,
         "logit_bias":{"97":-100,"98":1.5},"logprobs":3,"priority":-4,"service_tier":"flex",
         "cache_salt":"pepper","stop":["x","yy"],"user":"u")");
  REQUIRE(parsed.ok());
  const ValidRequest& request = parsed->requests[0];
  const SamplingSpec& spec = request.sampling;
  CHECK(spec.temperature == 0.5f);
  CHECK(spec.top_p == 0.25f);
  CHECK(spec.top_k == 7);
  CHECK(spec.min_p == 0.125f);
  CHECK(spec.repetition_penalty == 1.5f);
  CHECK(spec.frequency_penalty == -1.0f);
  CHECK(spec.presence_penalty == 2.0f);
  CHECK(spec.seed == static_cast<uint64_t>(-3));
  CHECK(spec.min_tokens == 2);
  CHECK(spec.end_ids == std::vector<TokenId>{5});
  CHECK(spec.logit_bias == std::vector<std::pair<TokenId, float>>{{97, -100.0f}, {98, 1.5f}});
  CHECK(spec.top_logprobs == 3);
  CHECK(request.max_tokens == 9);
  CHECK(request.priority == -4);
  CHECK(request.tier == ServiceTier::kFlex);
  CHECK(request.cache_salt == "pepper");
  CHECK(parsed->shape.text.stop == std::vector<std::string>{"x", "yy"});
  CHECK(Completion(R"("prompt":"a","top_k":-1)")->requests[0].sampling.top_k == 0);
  CHECK(Completion(R"("prompt":"a","top_p":0)")->requests[0].sampling.top_p == FLT_MIN);
  CHECK(Completion(R"("prompt":"a","seed":18446744073709551615)")->requests[0].sampling.seed ==
        UINT64_MAX);
  CHECK(Completion(R"("prompt":"a","max_tokens":7.0)")->requests[0].max_tokens == 7);
}

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

TEST_CASE("too long for the context") {
  const std::string long_prompt(999, 'x');  // with the start token: the whole context
  const auto full = Completion("\"prompt\":\"" + long_prompt + "\"");
  REQUIRE(!full.ok());
  CHECK(Body(full.status()).find("context_length_exceeded") != std::string::npos);
  // The default is cut to what is left; what was asked for is not.
  const auto nearly = Completion("\"prompt\":\"" + long_prompt.substr(4) + "\"");
  REQUIRE(nearly.ok());
  CHECK(nearly->requests[0].max_tokens == 4);
  const auto greedy = Completion("\"max_tokens\":5,\"prompt\":\"" + long_prompt.substr(4) + "\"");
  REQUIRE(!greedy.ok());
  CHECK(Body(greedy.status()).find("\"param\":\"prompt\"") != std::string::npos);
  // The words by which clients recognise it.
  for (const absl::Status& status : {full.status(), greedy.status()}) {
    CHECK(std::string(status.message())
              .starts_with("This model's maximum context length is 1000 tokens. However, "));
  }
  CHECK(std::string(greedy.status().message())
            .find("you requested 1001 tokens (996 in the prompt, ") != std::string::npos);
  CHECK(Completion("\"max_tokens\":4,\"prompt\":\"" + long_prompt.substr(4) + "\"").ok());
  // Refused by its bytes, before it is tokenized.
  const auto huge = Completion("\"prompt\":\"" + std::string(300'000, 'x') + "\"");
  CHECK(Body(huge.status()).find("context_length_exceeded") != std::string::npos);
}

TEST_CASE("echo alone may generate nothing") {
  const auto parsed = Completion(R"("prompt":[97,98],"echo":true,"max_tokens":0,"logprobs":1)");
  REQUIRE(parsed.ok());
  CHECK(parsed->requests[0].max_tokens == 0);
  CHECK(parsed->requests[0].sampling.prompt_logprobs);
  CHECK(parsed->shape.prompts[0].text == "ab");
  CHECK(!Completion(R"("prompt":"a","echo":true,"max_tokens":0)")
             ->requests[0]
             .sampling.prompt_logprobs);
}

TEST_CASE("a request of a trace brings its own arrival") {
  const auto parsed = Completion(
      R"("prompt":"a","waferline":{"arrival_ns":123456789,"arrival_number":4,"last_arrival":true})");
  REQUIRE(parsed.ok());
  const auto& own = parsed->requests[0].own_arrival;
  REQUIRE(own);
  CHECK(own->at == Nanoseconds(123456789));
  CHECK(own->number == 4);
  CHECK(own->last);
  CHECK(!Completion(R"("prompt":"a","waferline":{"deadline_ms":5})")->requests[0].own_arrival);
}

TEST_CASE("headers: deadline, threshold, instants") {
  static const text::ModelCatalog catalog = ByteCatalog();
  Envelope envelope = kEnvelope;
  envelope.queue_threshold = "250";
  envelope.deadline_ms = "2000";
  envelope.instants = "true";
  const std::string body = R"({"model":"bytes","prompt":"a"})";
  const auto parsed = ParseCompletion(body, envelope, catalog);
  REQUIRE(parsed.ok());
  CHECK(parsed->requests[0].queue_threshold == Milliseconds(250));
  CHECK(parsed->requests[0].deadline == Seconds(2));
  CHECK(parsed->shape.instants);
  for (const char* wrong : {"soon", "49", "20001", "-50", "50.5"}) {
    INFO(wrong);
    envelope.queue_threshold = wrong;
    CHECK(Body(ParseCompletion(body, envelope, catalog).status())
              .find("\"param\":\"queue_threshold\"") != std::string::npos);
  }
  for (const char* right : {"50", "20000"}) {
    envelope.queue_threshold = right;
    CHECK(ParseCompletion(body, envelope, catalog).ok());
  }
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

TEST_CASE("max_tokens beyond the context is an error, or cut where configured") {
  static const text::ModelCatalog catalog = ByteCatalog();
  Envelope envelope = kEnvelope;
  const std::string body = R"({"model":"bytes","prompt":["ab","abcd"],"max_tokens":5000})";
  CHECK(Body(ParseCompletion(body, envelope, catalog).status()).find("context_length_exceeded") !=
        std::string::npos);
  envelope.dialect.clip_max_tokens = true;
  const auto cut = ParseCompletion(body, envelope, catalog);
  REQUIRE(cut.ok());
  CHECK(cut->requests[0].max_tokens == 997);  // of 1000, after the start token and two letters
  CHECK(cut->requests[1].max_tokens == 995);
  CHECK(cut->warning == "max_tokens cut to 995, which the context leaves");
  const auto fits =
      ParseCompletion(R"({"model":"bytes","prompt":"ab","max_tokens":997})", envelope, catalog);
  CHECK(fits->warning.empty());
  const std::string full = R"({"model":"bytes","max_tokens":1,"prompt":")";
  CHECK(!ParseCompletion(full + std::string(1000, 'a') + "\"}", envelope, catalog).ok());
}

TEST_CASE("a model need not be named where it is the only one") {
  static const text::ModelCatalog several = ByteCatalog();
  static const text::ModelCatalog one({several.all().front()});
  const auto parsed = ParseCompletion(R"({"prompt":"a"})", kEnvelope, one);
  REQUIRE(parsed.ok());
  CHECK(parsed->shape.model == "bytes");
  CHECK(Body(ParseCompletion(R"({"prompt":"a"})", kEnvelope, several).status())
            .find("\"param\":\"model\"") != std::string::npos);
  CHECK(!ParseCompletion(R"({"model":"","prompt":"a"})", kEnvelope, one).ok());
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
                           "max_new_tokens", "max_output_tokens"}) {
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
  CHECK(Completion(R"("prompt":"a","stop_sequences":["x"])")->shape.text.stop ==
        std::vector<std::string>{"x"});
  CHECK(Completion(R"("prompt":"a","max_tokens":5,"n_predict":5)").ok());
  const auto both = Completion(R"("prompt":"a","max_tokens":5,"n_predict":6)");
  CHECK(Body(both.status()).find("contradict") != std::string::npos);
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

TEST_CASE("embeddings: a sequence a text, which generates nothing") {
  static const text::ModelCatalog catalog = ByteCatalog();
  const auto parsed = ParseEmbeddings(
      R"({"model":"mute","input":["a",[66,67]],"encoding_format":"base64","pooling":"last"})", {},
      catalog);
  REQUIRE(parsed.ok());
  REQUIRE(parsed->requests.size() == 2);
  for (const ValidRequest& request : parsed->requests) {
    CHECK(request.max_tokens == 0);
    CHECK(request.sampling.prompt_vector == PromptVector::kLast);
  }
  CHECK(*parsed->requests[1].prompt == std::vector<TokenId>{66, 67});
  std::vector<ChoiceResult> results(2);
  results[0].vector = {3, 4};
  results[1].vector = {0, -2};
  results[0].end.prompt_tokens = 1;
  results[1].end.prompt_tokens = 2;
  const std::string document = parsed->format(parsed->shape)->Document(results);
  // 0.6 and 0.8, 0 and -1, as little-endian float32.
  CHECK(document.find(R"("index":0,"embedding":"mpkZP83MTD8=")") != std::string::npos);
  CHECK(document.find(R"("index":1,"embedding":"AAAAAAAAgL8=")") != std::string::npos);
  CHECK(document.find(R"("usage":{"prompt_tokens":3,"total_tokens":3})") != std::string::npos);
  CHECK(document.find(R"("pooling":"last")") != std::string::npos);
}

TEST_CASE("embeddings: what is wrong is named") {
  static const text::ModelCatalog catalog = ByteCatalog();
  const auto [fields, param] = GENERATE(table<std::string, std::string>({
      {R"("input":"a","dimensions":4)", "dimensions"},
      {R"("input":"a","encoding_format":"int8")", "encoding_format"},
      {R"("input":"a","pooling":"cls")", "pooling"},
      {R"("input":[])", "input"},
      {R"("input":[["a"]])", "input[0][0]"},
      {R"("input":[{}])", "input[0]"},
      {R"("imput":"a")", "input"},
  }));
  INFO(fields);
  const auto parsed = ParseEmbeddings("{\"model\":\"mute\"," + fields + "}", {}, catalog);
  REQUIRE(!parsed.ok());
  INFO(Body(parsed.status()));
  CHECK(Body(parsed.status()).find("\"param\":\"" + param) != std::string::npos);
}

TEST_CASE("models: unknown is 404, without template chat is 400") {
  const auto unknown = Chat(kHi, "gpt-17");
  CHECK(HttpCode(unknown.status()) == 404);
  CHECK(Body(unknown.status()).find("\"code\":\"model_not_found\"") != std::string::npos);
  CHECK(HttpCode(Chat(kHi, "mute").status()) == 400);
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
