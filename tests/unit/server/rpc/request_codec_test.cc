#include "server/rpc/request_codec.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>

#include "server/rpc/rpc_status.h"
#include "server/serving/limits.h"
#include "tests/unit/server/rpc/byte_models.h"
#include "wafer_backend/base/field_error.h"

namespace waferline::rpc {
namespace {

v1::GenerateRequest Hello() {
  v1::GenerateRequest message;
  message.set_model("bytes");
  message.set_text("hello");
  return message;
}

const CallFacts kFacts{.request_id = "made-up", .tenant = "acme", .fallback_seed = 77};

absl::StatusOr<DecodedRequest> Decode(const v1::GenerateRequest& message) {
  static const text::ModelCatalog models = ByteModels();
  return DecodeGenerate(message, kFacts, models);
}

TEST_CASE("what is absent gets the documented default") {
  const auto decoded = Decode(Hello());
  REQUIRE(decoded.ok());
  const ValidRequest& request = decoded->request;
  CHECK(request.request_id == "made-up");
  CHECK(request.tenant == "acme");
  CHECK(request.model == "bytes");
  CHECK(*request.prompt == std::vector<TokenId>{256, 'h', 'e', 'l', 'l', 'o'});
  CHECK(request.max_tokens == 128 - 6);
  CHECK(request.sampling.temperature == 1.0f);
  CHECK(request.sampling.top_p == 1.0f);
  CHECK(request.sampling.top_k == 0);
  CHECK(request.sampling.seed == 77);
  CHECK(request.sampling.end_ids == std::vector<TokenId>{ByteTokenizer::kEnd});
  CHECK(request.sampling.top_logprobs == -1);
  CHECK(request.tier == ServiceTier::kAuto);
  CHECK_FALSE(request.deadline.has_value());
  CHECK_FALSE(request.own_arrival.has_value());
  CHECK(decoded->form.text.stop.empty());
}

TEST_CASE("a request that names no temperature has its model's") {
  text::ServedModel model = *ByteModels().all().front();
  model.temperature = 0.25f;
  const text::ModelCatalog models({std::make_shared<const text::ServedModel>(std::move(model))});
  v1::GenerateRequest message = Hello();
  CHECK(DecodeGenerate(message, kFacts, models)->request.sampling.temperature == 0.25f);
  message.mutable_sampling()->set_temperature(1);
  CHECK(DecodeGenerate(message, kFacts, models)->request.sampling.temperature == 1.0f);
}

TEST_CASE("zero is a value, not an absence") {
  v1::GenerateRequest message = Hello();
  message.mutable_sampling()->set_temperature(0);
  message.mutable_sampling()->set_repetition_penalty(1.5);
  message.mutable_sampling()->set_seed(0);
  message.mutable_scheduling()->set_queue_threshold_ns(0);
  const auto decoded = Decode(message);
  REQUIRE(decoded.ok());
  CHECK(decoded->request.sampling.temperature == 0);
  CHECK(decoded->request.sampling.repetition_penalty == 1.5f);
  CHECK(decoded->request.sampling.seed == 0);
  CHECK(decoded->request.queue_threshold == Nanoseconds(0));
}

TEST_CASE("every field reaches the request") {
  v1::GenerateRequest message = Hello();
  message.set_request_id("mine");
  message.mutable_token_ids()->add_ids(7);
  auto* sampling = message.mutable_sampling();
  sampling->set_top_k(40);
  sampling->set_min_p(0.1f);
  sampling->set_frequency_penalty(-1);
  sampling->set_presence_penalty(2);
  (*sampling->mutable_logit_bias())[9] = 5;
  (*sampling->mutable_logit_bias())[3] = -5;
  auto* stop = message.mutable_stop();
  stop->set_max_tokens(10);
  stop->set_min_tokens(2);
  stop->add_strings("END");
  stop->add_token_ids(65);
  stop->set_ignore_eos(true);
  message.mutable_output()->set_top_logprobs(5);
  message.mutable_output()->set_prompt_logprobs(true);
  auto* scheduling = message.mutable_scheduling();
  scheduling->set_service_tier(v1::SERVICE_TIER_FLEX);
  scheduling->set_priority(-3);
  scheduling->set_deadline_ns(1000);
  scheduling->set_arrival_ns(50);
  scheduling->set_arrival_number(7);
  scheduling->set_last_arrival(true);
  scheduling->set_cache_salt("salt");
  const auto decoded = Decode(message);
  REQUIRE(decoded.ok());
  const ValidRequest& request = decoded->request;
  CHECK(request.request_id == "mine");
  CHECK(*request.prompt == std::vector<TokenId>{7});
  CHECK(request.max_tokens == 10);
  CHECK(request.sampling.top_k == 40);
  CHECK(request.sampling.min_p == 0.1f);
  CHECK(request.sampling.frequency_penalty == -1);
  CHECK(request.sampling.presence_penalty == 2);
  CHECK(request.sampling.logit_bias ==
        std::vector<std::pair<TokenId, float>>{{3, -5.0f}, {9, 5.0f}});
  CHECK(request.sampling.min_tokens == 2);
  CHECK(decoded->form.text.min_tokens == 2);
  CHECK(request.sampling.end_ids == std::vector<TokenId>{65});
  CHECK(request.sampling.top_logprobs == 5);
  CHECK(request.sampling.prompt_logprobs);
  CHECK(decoded->form.text.stop == std::vector<std::string>{"END"});
  CHECK(request.tier == ServiceTier::kFlex);
  CHECK(request.priority == -3);
  CHECK(request.deadline == Nanoseconds(1000));
  REQUIRE(request.own_arrival);
  CHECK(request.own_arrival->at == Nanoseconds(50));
  CHECK(request.own_arrival->number == 7);
  CHECK(request.own_arrival->last);
  CHECK(request.cache_salt == "salt");
}

struct Wrong {
  const char* field;
  std::function<void(v1::GenerateRequest&)> spoil;
};

TEST_CASE("a wrong field is refused by its name") {
  const float nan = std::nanf("");
  const std::vector<Wrong> wrongs = {
      {"request_id", [](auto& m) { m.set_request_id("two words"); }},
      {"request_id", [](auto& m) { m.set_request_id(std::string(129, 'x')); }},
      {"model", [](auto& m) { m.set_model(""); }},
      {"model", [](auto& m) { m.set_model(std::string(513, 'm')); }},
      {"input", [](auto& m) { m.clear_input(); }},
      {"input", [](auto& m) { m.mutable_token_ids(); }},
      {"input", [](auto& m) { m.set_text(std::string(128, 'x')); }},
      {"text", [](auto& m) { m.set_text(std::string(128 * 256 + 1, 'x')); }},
      {"token_ids.ids[1]",
       [](auto& m) {
         m.mutable_token_ids()->add_ids(1);
         m.mutable_token_ids()->add_ids(258);
       }},
      {"token_ids.ids[0]", [](auto& m) { m.mutable_token_ids()->add_ids(-1); }},
      {"chat.messages", [](auto& m) { m.mutable_chat(); }},
      {"chat.messages[0].role", [](auto& m) { m.mutable_chat()->add_messages(); }},
      {"chat",
       [](auto& m) {
         m.set_model("silent");
         m.mutable_chat()->add_messages()->set_role(v1::ROLE_USER);
       }},
      {"sampling.temperature", [](auto& m) { m.mutable_sampling()->set_temperature(-0.1f); }},
      {"sampling.temperature", [](auto& m) { m.mutable_sampling()->set_temperature(2.1f); }},
      {"sampling.temperature", [=](auto& m) { m.mutable_sampling()->set_temperature(nan); }},
      {"sampling.top_p", [](auto& m) { m.mutable_sampling()->set_top_p(0); }},
      {"sampling.top_p", [=](auto& m) { m.mutable_sampling()->set_top_p(nan); }},
      {"sampling.min_p", [](auto& m) { m.mutable_sampling()->set_min_p(1.5f); }},
      {"sampling.repetition_penalty",
       [](auto& m) { m.mutable_sampling()->set_repetition_penalty(0); }},
      {"sampling.frequency_penalty",
       [](auto& m) { m.mutable_sampling()->set_frequency_penalty(2.5f); }},
      {"sampling.presence_penalty",
       [](auto& m) { m.mutable_sampling()->set_presence_penalty(-2.5f); }},
      {"sampling.logit_bias[300]",
       [](auto& m) { (*m.mutable_sampling()->mutable_logit_bias())[300] = 1; }},
      {"sampling.logit_bias[3]",
       [](auto& m) { (*m.mutable_sampling()->mutable_logit_bias())[3] = 101; }},
      {"stop.max_tokens", [](auto& m) { m.mutable_stop()->set_max_tokens(0); }},
      {"stop.max_tokens", [](auto& m) { m.mutable_stop()->set_max_tokens(123); }},
      {"stop.max_tokens",
       [](auto& m) { m.mutable_stop()->set_max_tokens(std::numeric_limits<uint32_t>::max()); }},
      {"stop.min_tokens",
       [](auto& m) {
         m.mutable_stop()->set_max_tokens(3);
         m.mutable_stop()->set_min_tokens(4);
       }},
      {"stop.strings[0]", [](auto& m) { m.mutable_stop()->add_strings(""); }},
      {"stop.strings[0]", [](auto& m) { m.mutable_stop()->add_strings(std::string(1025, 's')); }},
      {"stop.strings",
       [](auto& m) {
         for (int i = 0; i < 17; ++i) m.mutable_stop()->add_strings("s");
       }},
      {"stop.token_ids[0]", [](auto& m) { m.mutable_stop()->add_token_ids(999); }},
      {"stop.token_ids",
       [](auto& m) {
         for (int i = 0; i < 257; ++i) m.mutable_stop()->add_token_ids(1);
       }},
      {"output.top_logprobs", [](auto& m) { m.mutable_output()->set_top_logprobs(21); }},
      {"scheduling.queue_threshold_ns",
       [](auto& m) { m.mutable_scheduling()->set_queue_threshold_ns(-1); }},
      {"scheduling.deadline_ns", [](auto& m) { m.mutable_scheduling()->set_deadline_ns(0); }},
      {"scheduling.arrival_ns",
       [](auto& m) {
         m.mutable_scheduling()->set_arrival_ns(serving::kMaxDurationNs + 1);
         m.mutable_scheduling()->set_arrival_number(0);
       }},
      {"scheduling.arrival_ns", [](auto& m) { m.mutable_scheduling()->set_arrival_ns(1); }},
      {"scheduling.arrival_ns", [](auto& m) { m.mutable_scheduling()->set_arrival_number(1); }},
      {"scheduling.last_arrival", [](auto& m) { m.mutable_scheduling()->set_last_arrival(true); }},
      {"scheduling.service_tier",
       [](auto& m) { m.mutable_scheduling()->set_service_tier(static_cast<v1::ServiceTier>(9)); }},
      {"scheduling.cache_salt",
       [](auto& m) { m.mutable_scheduling()->set_cache_salt(std::string(513, 's')); }},
  };
  for (const Wrong& wrong : wrongs) {
    v1::GenerateRequest message = Hello();
    wrong.spoil(message);
    const auto decoded = Decode(message);
    INFO(wrong.field << ": " << decoded.status().ToString());
    REQUIRE(decoded.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(FieldOf(decoded.status()) == wrong.field);
  }
}

TEST_CASE("a refused number is not written as the bound that it misses") {
  v1::GenerateRequest message = Hello();
  message.mutable_sampling()->set_top_p(1.0000001f);
  CHECK(Decode(message).status().message() ==
        "sampling.top_p: must be above 0 and at most 1, not 1.0000001");
  message = Hello();
  message.mutable_sampling()->set_temperature(2.0000002f);
  CHECK(Decode(message).status().message() ==
        "sampling.temperature: must be from 0 to 2, not 2.0000002");
}

TEST_CASE("a model that is not served is not found") {
  v1::GenerateRequest message = Hello();
  message.set_model("gone");
  CHECK(Decode(message).status().code() == absl::StatusCode::kNotFound);
}

TEST_CASE("the only model needs no name") {
  const text::ModelCatalog models = ByteModels(128, true);
  v1::GenerateRequest message = Hello();
  message.clear_model();
  const auto decoded = DecodeGenerate(message, kFacts, models);
  REQUIRE(decoded.ok());
  CHECK(decoded->request.model == "bytes");
}

TEST_CASE("prompt and answer share the context: the bound is met exactly") {
  v1::GenerateRequest message = Hello();
  message.mutable_stop()->set_max_tokens(122);
  CHECK(Decode(message).ok());
  message.mutable_stop()->set_max_tokens(123);
  CHECK_FALSE(Decode(message).ok());
  message.set_text(std::string(126, 'x'));  // 127 with the begin token
  message.clear_stop();
  REQUIRE(Decode(message).ok());
  CHECK(Decode(message)->request.max_tokens == 1);
}

TEST_CASE("max_tokens 0 is for the log-probabilities of a prompt") {
  v1::GenerateRequest message = Hello();
  message.set_text(std::string(127, 'x'));  // fills the context
  message.mutable_stop()->set_max_tokens(0);
  message.mutable_output()->set_prompt_logprobs(true);
  const auto decoded = Decode(message);
  REQUIRE(decoded.ok());
  CHECK(decoded->request.max_tokens == 0);
  CHECK(decoded->request.sampling.top_logprobs == 0);
}

TEST_CASE("a chat is rendered by the model's template, whose stop strings are added") {
  v1::GenerateRequest message = Hello();
  auto* turn = message.mutable_chat()->add_messages();
  turn->set_role(v1::ROLE_USER);
  turn->set_content("hi");
  message.mutable_stop()->add_strings("mine");
  const auto decoded = Decode(message);
  REQUIRE(decoded.ok());
  const text::ServedModel& model = *decoded->model;
  const text::ChatMessage same{.role = "user", .content = "hi"};
  CHECK(*decoded->request.prompt == *model.chat->Render({&same, 1}));
  CHECK(decoded->form.text.stop == std::vector<std::string>{"mine"});
  CHECK(decoded->form.text.ends == model.chat->stop_strings());
}

}  // namespace
}  // namespace waferline::rpc
