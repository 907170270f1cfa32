// SMG's messages to waferline.v1's and back.
#include <catch2/catch.hpp>

#include "server/engines/smg_request.h"
#include "server/engines/smg_response.h"
#include "wafer_backend/base/field_error.h"

namespace waferline::engines {
namespace {

namespace smg = ::vllm::grpc::engine;

const EngineFacts kSmgFacts{.model = "demo", .model_source = "/models/demo"};

smg::GenerateRequest SmgAsk() {
  smg::GenerateRequest request;
  request.mutable_tokenized()->add_input_ids(5);
  return request;
}

std::string SmgRefused(const smg::GenerateRequest& request) {
  return FieldOf(ReadSmgRequest(request, kSmgFacts).status());
}

TEST_CASE("zeros are vLLM's defaults") {
  const auto read = ReadSmgRequest(SmgAsk(), kSmgFacts);
  REQUIRE(read.ok());
  CHECK(read->model() == "demo");
  CHECK_FALSE(read->sampling().has_temperature());
  CHECK_FALSE(read->sampling().has_top_p());
  CHECK_FALSE(read->sampling().has_repetition_penalty());
  CHECK_FALSE(read->stop().has_max_tokens());
  CHECK_FALSE(read->sampling().has_seed());
}

TEST_CASE("what is not done of SMG's is refused by name") {
  smg::GenerateRequest request = SmgAsk();
  request.mutable_sampling_params()->set_n(2);
  CHECK(SmgRefused(request) == "sampling_params.n");
  request = SmgAsk();
  request.mutable_sampling_params()->set_prompt_logprobs(0);
  CHECK(SmgRefused(request) == "sampling_params.prompt_logprobs");
  request = SmgAsk();
  request.set_data_parallel_rank(1);
  CHECK(SmgRefused(request) == "data_parallel_rank");
  request = SmgAsk();
  request.set_kv_transfer_params_json("[1]");
  CHECK(SmgRefused(request) == "kv_transfer_params_json");
  request = SmgAsk();
  request.mutable_tokenized()->add_input_ids(1U << 31);
  CHECK(SmgRefused(request) == "tokenized.input_ids[1]");
}

TEST_CASE("chunks are deltas with sums, the end has all") {
  SmgAnswer answer;
  v1::GenerateResponse tokens;
  tokens.mutable_tokens()->add_tokens()->set_id(3);
  tokens.mutable_tokens()->add_tokens()->set_id(4);
  smg::GenerateResponse message;
  answer.Add(tokens, 9, &message);
  CHECK(message.chunk().token_ids_size() == 2);
  CHECK(message.chunk().prompt_tokens() == 9);
  message.Clear();
  answer.Add(tokens, 9, &message);
  CHECK(message.chunk().token_ids_size() == 2);
  CHECK(message.chunk().completion_tokens() == 4);
  v1::GenerateResponse end;
  end.mutable_finished()->set_reason(v1::FINISH_REASON_LENGTH);
  end.mutable_finished()->mutable_usage()->set_completion_tokens(4);
  auto& handed = *end.mutable_finished()->mutable_kv_transfer_params()->mutable_fields();
  handed["do_remote_prefill"].set_bool_value(true);
  message.Clear();
  answer.Add(end, 9, &message);
  CHECK(message.complete().output_ids_size() == 4);
  CHECK(message.complete().finish_reason() == "length");
  CHECK(message.complete().kv_transfer_params_json() == "{\"do_remote_prefill\":true}");
  smg::GenerateRequest decode = SmgAsk();
  decode.set_kv_transfer_params_json(message.complete().kv_transfer_params_json());
  CHECK(ReadSmgRequest(decode, kSmgFacts)
            ->kv_transfer_params()
            .fields()
            .at("do_remote_prefill")
            .bool_value());
}

TEST_CASE("smg: an error names the caller's field, once") {
  smg::GenerateRequest bad = SmgAsk();
  bad.set_kv_transfer_params_json("no JSON");
  CHECK(FieldOf(InSmgNames(ReadSmgRequest(bad, kSmgFacts).status())) == "kv_transfer_params_json");
  CHECK(FieldOf(InSmgNames(rpc::FieldError("kv_transfer_params", "x"))) ==
        "kv_transfer_params_json");
  CHECK(FieldOf(InSmgNames(rpc::FieldError("stop.strings[2]", "x"))) == "sampling_params.stop[2]");
}

}  // namespace
}  // namespace waferline::engines
