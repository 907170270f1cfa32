// openengine's messages to waferline.v1's and back.
#include <catch2/catch.hpp>

#include "server/engines/openengine_request.h"
#include "server/engines/openengine_response.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/field_error.h"

namespace waferline::engines {
namespace {

namespace oe = openengine::v1;

const EngineFacts kOpenEngineFacts{.model = "demo", .model_source = "/models/demo"};

oe::GenerateRequest OpenEngineAsk() {
  oe::GenerateRequest request;
  request.set_model("/models/demo");
  request.mutable_token_ids()->add_ids(5);
  return request;
}

std::string OpenEngineRefused(const oe::GenerateRequest& request) {
  return FieldOf(ReadOpenEngineRequest(request, kOpenEngineFacts).status());
}

TEST_CASE("what openengine leaves out is left out") {
  const auto read = ReadOpenEngineRequest(OpenEngineAsk(), kOpenEngineFacts);
  REQUIRE(read.ok());
  CHECK(read->model() == "demo");
  CHECK_FALSE(read->sampling().has_temperature());
  CHECK_FALSE(read->stop().has_max_tokens());
  CHECK_FALSE(read->output().has_top_logprobs());
  CHECK_FALSE(read->has_kv_transfer_params());
}

TEST_CASE("stop conditions are texts and tokens") {
  oe::GenerateRequest request = OpenEngineAsk();
  request.mutable_stopping()->add_conditions()->set_stop_text("the");
  request.mutable_stopping()->add_conditions()->set_stop_token_id(7);
  const auto read = ReadOpenEngineRequest(request, kOpenEngineFacts);
  REQUIRE(read.ok());
  CHECK(read->stop().strings(0) == "the");
  CHECK(read->stop().token_ids(0) == 7);
  request.mutable_stopping()->add_conditions();
  CHECK(OpenEngineRefused(request) == "stopping.conditions");
}

TEST_CASE("what is not done of openengine's is refused by name") {
  oe::GenerateRequest request = OpenEngineAsk();
  request.clear_model();
  CHECK(OpenEngineRefused(request) == "model");
  request = OpenEngineAsk();
  request.mutable_sampling()->set_num_sequences(2);
  CHECK(OpenEngineRefused(request) == "sampling.num_sequences");
  request = OpenEngineAsk();
  request.mutable_response()->mutable_output_candidates()->mutable_all();
  CHECK(OpenEngineRefused(request) == "response.output_candidates.all");
  request = OpenEngineAsk();
  request.mutable_stopping()->set_include_stop_in_output(false);
  request.mutable_response()->set_return_prompt_logprobs(false);
  CHECK(OpenEngineRefused(request).empty());
  request.mutable_stopping()->set_include_stop_in_output(true);
  CHECK(OpenEngineRefused(request) == "stopping.include_stop_in_output");
  request = OpenEngineAsk();
  request.add_media();
  CHECK(OpenEngineRefused(request) == "media");
  const absl::Status ours = rpc::FieldError("stop.max_tokens", "must be at most 5");
  CHECK(FieldOf(InOpenEngineNames(ours)) == "stopping.max_tokens");
}

TEST_CASE("higher priorities go first there, smaller ones here") {
  v1::GenerateRequest request;
  CHECK(ReadOpenEngineMetadata("7", "0", &request).ok());
  CHECK(request.scheduling().priority() == -7);
  CHECK(FieldOf(ReadOpenEngineMetadata("high", "", &request)) == "openengine-priority");
  CHECK(FieldOf(ReadOpenEngineMetadata("", "1", &request)) == "openengine-target-dp-rank");
}

TEST_CASE("a prefill leg ends with its session, which a decode leg brings") {
  oe::GenerateRequest prefill = OpenEngineAsk();
  (*prefill.mutable_extra()->mutable_fields())["request_type"].set_string_value("context_only");
  const auto read = ReadOpenEngineRequest(prefill, kOpenEngineFacts);
  REQUIRE(read.ok());
  CHECK(read->kv_transfer_params().fields().at("do_remote_decode").bool_value());

  v1::GenerateResponse end;
  end.mutable_finished()->set_reason(v1::FINISH_REASON_LENGTH);
  end.mutable_finished()->mutable_usage()->set_prompt_tokens(4);
  auto& handed = *end.mutable_finished()->mutable_kv_transfer_params()->mutable_fields();
  handed["signature"].set_string_value("s");
  const auto events = OpenEngineEvents(end, {.request_id = "r"});
  REQUIRE(events.size() == 1);
  const oe::KvSessionRef& session = events[0].prefill_ready().kv_session();
  CHECK(session.session_id() == "r");
  CHECK(events[0].usage().prompt_tokens() == 4);

  oe::GenerateRequest decode = OpenEngineAsk();
  *decode.mutable_kv()->mutable_session() = session;
  const auto taken = ReadOpenEngineRequest(decode, kOpenEngineFacts);
  REQUIRE(taken.ok());
  CHECK(taken->kv_transfer_params().fields().at("signature").string_value() == "s");
  decode.mutable_kv()->mutable_session()->clear_attributes_struct();
  CHECK(OpenEngineRefused(decode) == "kv.session.attributes_struct");
}

TEST_CASE("an end is one terminal event, after the text that was held back") {
  v1::GenerateResponse end;
  end.mutable_finished()->set_reason(v1::FINISH_REASON_STOP);
  end.mutable_finished()->set_stop_token_id(2);
  end.mutable_finished()->set_text("rest");
  const auto events = OpenEngineEvents(end, {.model_ends = {2}});
  REQUIRE(events.size() == 2);
  CHECK(events[0].token().has_output_index());
  CHECK(events[0].token().text() == "rest");
  CHECK_FALSE(events[0].has_usage());
  CHECK(events[1].finished().stop_match().eos_token_id() == 2);
  CHECK(events[1].has_usage());
  CHECK(OpenEngineEvents(end, {.text = false}).size() == 1);
}

TEST_CASE("what fails after its admission ends with an error") {
  v1::GenerateResponse end;
  end.mutable_finished()->set_reason(v1::FINISH_REASON_FAILED);
  end.mutable_finished()->mutable_error()->set_code(14);
  const auto events = OpenEngineEvents(end, {});
  REQUIRE(events.size() == 1);
  CHECK(events[0].error().code() == oe::ERROR_CODE_OVERLOADED);
  CHECK(events[0].error().retryable());
  end.mutable_finished()->set_reason(v1::FINISH_REASON_CANCELLED);
  CHECK(OpenEngineEvents(end, {})[0].finished().reason() == oe::FINISH_REASON_CANCELLED);
}

}  // namespace
}  // namespace waferline::engines
