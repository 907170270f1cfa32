// vllm's messages to waferline.v1's and back.
#include <catch2/catch.hpp>
#include <string>

#include "server/engines/vllm_request.h"
#include "server/engines/vllm_response.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/field_error.h"

namespace waferline::engines {
namespace {

const EngineFacts kFacts{.model = "demo", .model_source = "/models/demo"};

::vllm::GenerateRequest Request() {
  ::vllm::GenerateRequest request;
  request.mutable_token_ids()->add_ids(5);
  return request;
}

TEST_CASE("what vllm leaves out has vllm's defaults") {
  const auto read = ReadVllmRequest(Request(), kFacts);
  REQUIRE(read.ok());
  CHECK(read->model() == "demo");
  CHECK(read->sampling().temperature() == 0);
  CHECK(read->stop().max_tokens() == 20);
  CHECK_FALSE(read->stop().has_min_tokens());
  CHECK_FALSE(read->sampling().has_repetition_penalty());
  CHECK_FALSE(read->sampling().has_seed());
}

TEST_CASE("the model may be named by its source") {
  ::vllm::GenerateRequest request = Request();
  request.set_model("/models/demo");
  CHECK(ReadVllmRequest(request, kFacts)->model() == "demo");
  request.set_model("another");
  CHECK(ReadVllmRequest(request, kFacts)->model() == "another");
}

TEST_CASE("messages that say nothing are not refused") {
  ::vllm::GenerateRequest request = Request();
  request.mutable_kv()->mutable_kv_transfer_params();
  request.mutable_response()->mutable_output_candidates();
  request.mutable_stopping()->set_thinking_token_budget(-1);
  CHECK(ReadVllmRequest(request, kFacts).ok());
  request.mutable_response()->mutable_output_candidates()->set_all(true);
  CHECK(FieldOf(ReadVllmRequest(request, kFacts).status()) == "response.output_candidates");
}

TEST_CASE("a constraint holds from the first token on") {
  ::vllm::GenerateRequest request = Request();
  request.mutable_engine_reasoning_gate()->set_reasoning_ended(false);
  CHECK(ReadVllmRequest(request, kFacts).ok());
  request.mutable_decoding()->set_regex("a*");
  CHECK(FieldOf(ReadVllmRequest(request, kFacts).status()) == "engine_reasoning_gate");
  request.mutable_engine_reasoning_gate()->set_reasoning_ended(true);
  CHECK(ReadVllmRequest(request, kFacts)->constraint().regex() == "a*");
}

TEST_CASE("errors name vllm's fields") {
  const auto name = [](const char* field) {
    const absl::Status status = InVllmNames(rpc::FieldError(field, "is wrong"));
    CHECK(status.message() == FieldOf(status) + ": is wrong");
    return FieldOf(status);
  };
  CHECK(name("stop.strings[2]") == "stopping.stop_strings[2]");
  CHECK(name("constraint.json_schema") == "decoding.json");
  CHECK(name("constraint.regex") == "decoding.regex");
  CHECK(name("sampling.top_p") == "sampling.top_p");
  CHECK(InVllmNames(absl::NotFoundError("no such model")) == absl::NotFoundError("no such model"));
}

TEST_CASE("the last message says what stopped it") {
  v1::GenerateResponse event;
  v1::Finished* finished = event.mutable_finished();
  finished->set_reason(v1::FINISH_REASON_STOP);
  finished->set_text("held");
  finished->set_stop_token_id(2);
  finished->mutable_usage()->set_completion_tokens(9);
  ::vllm::GenerateRequest request = Request();
  const auto info = [&] {
    ::vllm::GenerateResponse message;
    AddEvent(event, AnswerFormOf(request, {2}), &message);
    CHECK(message.outputs().text() == "held");
    CHECK(message.outputs().num_tokens() == 0);
    return message.outputs().finish_info();
  };
  CHECK(info().eos_token_id() == 2);
  CHECK(info().num_output_tokens() == 9);
  request.mutable_stopping()->set_ignore_eos(true);
  CHECK(info().stop_token_id() == 2);
  finished->set_stop_string("end");
  CHECK(info().stop_string() == "end");
}

TEST_CASE("tokens and text come only if they are wanted") {
  v1::GenerateResponse event;
  v1::Token* token = event.mutable_tokens()->add_tokens();
  token->set_id(7);
  token->set_text("x");
  ::vllm::GenerateRequest request = Request();
  ::vllm::GenerateResponse message;
  AddEvent(event, AnswerFormOf(request, {}), &message);
  CHECK(message.outputs().text() == "x");
  CHECK(message.outputs().token_ids_size() == 0);
  request.mutable_response()->set_output_text(false);
  request.mutable_response()->set_output_token_ids(true);
  message.Clear();
  AddEvent(event, AnswerFormOf(request, {}), &message);
  CHECK(message.outputs().text().empty());
  CHECK(message.outputs().token_ids(0) == 7);
  CHECK(message.outputs().num_tokens() == 1);
}

}  // namespace
}  // namespace waferline::engines
