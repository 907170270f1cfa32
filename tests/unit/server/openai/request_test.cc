// Bodies in, ValidRequests out: defaults, prompts, sampling, the room of a context, headers.
#include <catch2/catch.hpp>
#include <cfloat>

#include "server/openai/sampling_fields.h"
#include "tests/unit/server/openai/request_cases.h"

namespace waferline::openai {

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

TEST_CASE("a request that names no temperature has its model's") {
  text::ServedModel model = *ByteCatalog().all().front();
  model.temperature = 0.25f;
  const text::ModelCatalog catalog({std::make_shared<const text::ServedModel>(std::move(model))});
  const auto temperature = [&](const std::string& fields) {
    return ParseChat("{" + kHi + fields + "}", kEnvelope, catalog)
        ->requests[0]
        .sampling.temperature;
  };
  CHECK(temperature("") == 0.25f);
  CHECK(temperature(R"(,"temperature":null)") == 0.25f);
  CHECK(temperature(R"(,"temperature":1)") == 1.0f);
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
  CHECK(parsed->shape.text.min_tokens == 2);
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
  const std::string least = R"({"model":"bytes","prompt":"ab","max_tokens":5000,"min_tokens":)";
  const auto all = ParseCompletion(least + "5000}", envelope, catalog);
  REQUIRE(all.ok());
  CHECK(all->requests[0].sampling.min_tokens == 997);
  CHECK(!ParseCompletion(least + "5001}", envelope, catalog).ok());
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

TEST_CASE("models: unknown is 404, without template chat is 400") {
  const auto unknown = Chat(kHi, "gpt-17");
  CHECK(HttpCode(unknown.status()) == 404);
  CHECK(Body(unknown.status()).find("\"code\":\"model_not_found\"") != std::string::npos);
  CHECK(HttpCode(Chat(kHi, "mute").status()) == 400);
}

}  // namespace waferline::openai
