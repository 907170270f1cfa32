#include "server/engines/openengine_control.h"

#include <charconv>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/rpc/live_calls.h"
#include "server/rpc/rpc_status.h"
#include "server/serving/limits.h"

namespace waferline::engines {
namespace {

namespace oe = openengine::v1;

// Of the contract that v0.1.0 is, and its module commit in the registry of schemas.
constexpr uint32_t kSchemaRevision = 1;
constexpr char kSchemaRelease[] = "768a93c7b44e40f28c692ad0b471a8f2";

// "tcp://host:port"
void SetAddress(std::string_view address, oe::KvEndpoint* endpoint) {
  const std::string_view rest = address.substr(std::string_view("tcp://").size());
  const size_t colon = rest.rfind(':');
  uint32_t port = 0;
  std::from_chars(rest.data() + colon + 1, rest.data() + rest.size(), port);
  endpoint->set_host(std::string(rest.substr(0, colon)));
  endpoint->set_port(port);
  endpoint->set_protocol("tcp");
}

void SetGeneration(oe::GenerationCapabilities* can) {
  can->mutable_prompt_logprobs()->set_supported(false);
  can->mutable_output_logprobs()->set_supported(true);
  can->mutable_output_logprobs()->add_candidate_selection_modes(
      oe::CANDIDATE_TOKEN_SELECTION_MODE_TOP_N);
  can->mutable_output_logprobs()->set_max_top_n(serving::kMaxTopLogprobs);
  can->mutable_guided_decoding()->set_supported(true);
  for (const oe::GuidedDecodingMode mode :
       {oe::GUIDED_DECODING_MODE_JSON_SCHEMA, oe::GUIDED_DECODING_MODE_REGEX,
        oe::GUIDED_DECODING_MODE_EBNF_GRAMMAR, oe::GUIDED_DECODING_MODE_CHOICE,
        oe::GUIDED_DECODING_MODE_JSON_OBJECT}) {
    can->mutable_guided_decoding()->add_modes(mode);
  }
  can->set_max_num_sequences(1);
  can->set_supports_priority(true);
  can->set_supports_stop_in_output(false);
  can->set_supports_cache_salt(true);
  can->set_supports_prefix_cache_bypass(false);
}

}  // namespace

oe::EngineRole OpenEngineControl::Role() const {
  const serving::KvHandoffs& handoffs = *deps_.server->handoffs;
  if (!handoffs.enabled()) return oe::ENGINE_ROLE_AGGREGATED;
  const auto& settings = handoffs.settings();
  if (settings.computes_prompts && settings.decodes) return oe::ENGINE_ROLE_AGGREGATED;
  return settings.decodes ? oe::ENGINE_ROLE_DECODE : oe::ENGINE_ROLE_PREFILL;
}

grpc::ServerUnaryReactor* OpenEngineControl::GetServerInfo(grpc::CallbackServerContext* context,
                                                           const oe::GetServerInfoRequest*,
                                                           oe::ServerInfo* info) {
  info->set_engine_name("waferline");
  info->set_engine_version(facts_.version);
  info->set_engine_role(Role());
  info->set_instance_id(facts_.instance);
  info->add_supported_models(facts_.model);
  oe::ParallelismInfo* parallelism = info->mutable_parallelism();
  parallelism->set_tensor_parallel_size(1);
  parallelism->set_pipeline_parallel_size(1);
  parallelism->set_data_parallel_size(1);
  parallelism->set_data_parallel_rank(0);
  parallelism->set_data_parallel_start_rank(0);
  parallelism->set_decode_context_parallel_size(1);
  const serving::KvHandoffs& handoffs = *deps_.server->handoffs;
  oe::KvConnectorInfo* connector = info->mutable_kv_connector();
  connector->set_enabled(handoffs.enabled());
  if (handoffs.enabled()) {
    connector->set_transfer_backend("waferline");
    connector->set_supports_remote_prefill(handoffs.settings().decodes);
    connector->set_supports_abort_cleanup(true);
    connector->set_schema_version(1);
  }
  info->set_schema_revision(kSchemaRevision);
  info->set_minimum_client_revision(kSchemaRevision);
  info->set_schema_release(kSchemaRelease);
  info->mutable_capacity()->set_kv_block_size(facts_.block_tokens);
  info->mutable_capacity()->set_total_kv_blocks(facts_.kv_blocks);
  info->mutable_capacity()->set_max_running_requests(facts_.max_running);
  return answers_.Now(context);
}

grpc::ServerUnaryReactor* OpenEngineControl::GetModelInfo(grpc::CallbackServerContext* context,
                                                          const oe::GetModelInfoRequest* request,
                                                          oe::ModelInfo* info) {
  return answers_.Now(context, [&](const tenancy::Caller&) -> absl::Status {
    if (request->model().empty()) return rpc::FieldError("model", "is missing");
    if (!facts_.Serves(request->model())) {
      return absl::NotFoundError(absl::StrCat("model \"", request->model(), "\" is not served; \"",
                                              facts_.model, "\" is"));
    }
    const auto context_tokens = static_cast<uint32_t>(answers_.model().context_tokens.count());
    info->set_model_id(facts_.model_source);
    info->set_served_model_name(facts_.model);
    info->set_max_context_length(context_tokens);
    info->set_max_output_tokens(context_tokens - 1);
    info->set_supports_text_input(true);
    info->set_supports_token_ids_input(true);
    info->set_supports_lora(false);
    info->set_supports_multimodal(false);
    SetGeneration(info->mutable_generation());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OpenEngineControl::GetLoad(grpc::CallbackServerContext* context,
                                                     const oe::GetLoadRequest* request,
                                                     oe::LoadInfo* info) {
  info->set_instance_id(facts_.instance);
  info->set_timestamp_unix_nanos(static_cast<uint64_t>(deps_.server->clock.unix_seconds()) *
                                 1'000'000'000);
  return answers_.WithLoad(
      context, [this, info, each = request->include_per_rank()](const admin::ModelLoad& load) {
        info->set_running_requests(load.running);
        info->set_queued_requests(load.waiting);
        info->set_used_kv_blocks(UsedBlocks(load, facts_));
        info->set_total_kv_blocks(facts_.kv_blocks);
        if (!each) return;
        oe::RankLoadInfo* rank = info->add_ranks();
        rank->set_data_parallel_rank(0);
        rank->set_running_requests(load.running);
        rank->set_queued_requests(load.waiting);
        rank->set_used_kv_blocks(info->used_kv_blocks());
        rank->set_total_kv_blocks(facts_.kv_blocks);
      });
}

grpc::ServerUnaryReactor* OpenEngineControl::Health(grpc::CallbackServerContext* context,
                                                    const oe::HealthRequest* request,
                                                    oe::HealthResponse* health) {
  return answers_.Now(context, [&](const tenancy::Caller&) -> absl::Status {
    if (request->include_inference_probe()) {
      return rpc::FieldError("include_inference_probe",
                             "is not supported over this protocol; send a request instead");
    }
    if (!request->model().empty() && !facts_.Serves(request->model())) {
      return absl::NotFoundError(absl::StrCat("model \"", request->model(), "\" is not served"));
    }
    const bool draining = deps_.server->admin_port->draining();
    const bool right_role = !request->has_role() ||
                            request->role() == oe::ENGINE_ROLE_UNSPECIFIED ||
                            request->role() == Role();
    const auto check = [health](const char* name, bool good, const char* message) {
      oe::HealthCheck* one = health->add_checks();
      one->set_name(name);
      one->set_state(good ? oe::HEALTH_STATE_READY : oe::HEALTH_STATE_NOT_READY);
      if (!good) one->set_message(message);
    };
    check("scheduler", !draining, "draining");
    check("role", right_role, "the engine has another role");
    health->set_state(!draining && right_role ? oe::HEALTH_STATE_READY
                                              : oe::HEALTH_STATE_NOT_READY);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OpenEngineControl::Abort(grpc::CallbackServerContext* context,
                                                   const oe::AbortRequest* request,
                                                   oe::AbortResponse* response) {
  return answers_.Now(context, [&](const tenancy::Caller& caller) -> absl::Status {
    std::optional<std::string> id;
    if (request->has_request_id()) id = request->request_id();
    if (request->has_kv_session()) id = request->kv_session().session_id();
    if (!id && !request->has_all_requests()) return rpc::FieldError("target", "is missing");
    const size_t aborted = deps_.live->Abort(id, caller.tenant);
    response->set_status(aborted > 0 ? oe::ABORT_STATUS_ABORTED
                                     : oe::ABORT_STATUS_ALREADY_FINISHED);
    response->set_message(absl::StrCat(aborted, " requests"));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OpenEngineControl::GetKvEventSources(
    grpc::CallbackServerContext* context, const oe::GetKvEventSourcesRequest* request,
    oe::GetKvEventSourcesResponse* sources) {
  return answers_.Now(context, [&](const tenancy::Caller&) -> absl::Status {
    bool first_rank = request->data_parallel_ranks().empty();
    for (const uint32_t rank : request->data_parallel_ranks()) first_rank |= rank == 0;
    if (!facts_.kv_events || !first_rank) return absl::OkStatus();
    oe::KvEventSource* source = sources->add_sources();
    source->set_transport("zmq");
    SetAddress(facts_.kv_events->endpoint, source->mutable_endpoint_addr());
    source->set_topic(facts_.kv_events->topic);
    source->set_replay_endpoint(facts_.kv_events->replay);
    source->set_data_parallel_rank(0);
    source->set_encoding("msgpack");
    source->set_schema_version(1);
    return absl::OkStatus();
  });
}

}  // namespace waferline::engines
