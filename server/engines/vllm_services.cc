#include "server/engines/vllm_services.h"

#include <memory>
#include <string>
#include <utility>

#include "proto/vllm/control.grpc.pb.h"
#include "proto/vllm/inference.grpc.pb.h"
#include "server/engines/control_answers.h"
#include "server/engines/vllm_calls.h"
#include "server/rpc/call_intake.h"
#include "server/rpc/call_metadata.h"
#include "server/rpc/live_calls.h"
#include "server/rpc/rpc_status.h"

namespace waferline::engines {
namespace {

constexpr char kProtoVersion[] = "0.6.0";  // of the crate vllm-proto

class Inference final : public ::vllm::Inference::CallbackService {
 public:
  Inference(EngineFacts facts, const rpc::CallDeps& deps)
      : facts_(std::move(facts)),
        deps_(deps),
        intake_(deps),
        model_ends_(ControlAnswers(deps, facts_).model().tokenizer->end_ids()) {}

  grpc::ServerUnaryReactor* Generate(grpc::CallbackServerContext* context,
                                     const ::vllm::GenerateRequest* request,
                                     ::vllm::GenerateResponse* response) override {
    auto call = std::make_shared<VllmAnswer>(
        deps_, context, intake_.RequestId(context, request->request_id()),
        std::pair(AnswerFormOf(*request, model_ends_), response));
    intake_.Begin(context, Read(*context, *request), call);
    return call.get();
  }

  grpc::ServerWriteReactor<::vllm::GenerateResponse>* GenerateStream(
      grpc::CallbackServerContext* context, const ::vllm::GenerateRequest* request) override {
    auto call = std::make_shared<VllmStream>(deps_, context,
                                             intake_.RequestId(context, request->request_id()),
                                             AnswerFormOf(*request, model_ends_));
    intake_.Begin(context, Read(*context, *request), call);
    return call.get();
  }

 private:
  rpc::CallIntake::Message Read(const grpc::ServerContextBase& context,
                                const ::vllm::GenerateRequest& request) const {
    const std::string rank = rpc::MetadataOf(context, "x-data-parallel-rank");
    if (!rank.empty() && rank != "0") {
      return rpc::FieldError("x-data-parallel-rank", "must be 0: there is one rank");
    }
    auto read = ReadVllmRequest(request, facts_);
    if (!read.ok()) return read.status();
    return std::make_shared<const v1::GenerateRequest>(*std::move(read));
  }

  const EngineFacts facts_;
  const rpc::CallDeps deps_;
  const rpc::CallIntake intake_;
  const std::vector<TokenId> model_ends_;
};

class Control final : public ::vllm::Control::CallbackService {
 public:
  Control(EngineFacts facts, const rpc::CallDeps& deps)
      : facts_(std::move(facts)), live_(deps.live), answers_(deps, facts_) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const ::vllm::GetServerInfoRequest*,
                                          ::vllm::ServerInfo* info) override {
    info->set_engine_version("waferline-" + facts_.version);
    info->set_api_version("vllm");
    info->set_instance_id(facts_.instance);
    ::vllm::ParallelismInfo* parallelism = info->mutable_parallelism();
    parallelism->set_tensor_parallel_size(1);
    parallelism->set_pipeline_parallel_size(1);
    parallelism->set_data_parallel_size(1);
    parallelism->set_decode_context_parallel_size(1);
    parallelism->set_world_size(1);
    parallelism->set_data_parallel_size_local(1);
    info->set_max_model_len(static_cast<uint32_t>(answers_.model().context_tokens.count()));
    info->set_kv_block_size(facts_.block_tokens);
    info->set_effective_attention_block_size(facts_.block_tokens);
    info->set_total_kv_blocks(facts_.kv_blocks);
    info->set_max_running_requests(facts_.max_running);
    info->set_proto_version(kProtoVersion);
    return answers_.Now(context);
  }

  grpc::ServerUnaryReactor* GetModelInfo(grpc::CallbackServerContext* context,
                                         const ::vllm::GetModelInfoRequest*,
                                         ::vllm::ModelInfo* info) override {
    info->set_model_id(facts_.model_source);
    info->set_served_model_name(facts_.model);
    info->set_supports_text_input(true);
    info->set_supports_token_ids_input(true);
    return answers_.Now(context);
  }

  grpc::ServerUnaryReactor* Abort(grpc::CallbackServerContext* context,
                                  const ::vllm::AbortRequest* request,
                                  ::vllm::AbortResponse*) override {
    return answers_.Now(context, [&](const tenancy::Caller& caller) {
      for (const std::string& id : request->request_ids()) live_->Abort(id, caller.tenant);
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* GetKvEventSources(grpc::CallbackServerContext* context,
                                              const ::vllm::GetKvEventSourcesRequest*,
                                              ::vllm::GetKvEventSourcesResponse* sources) override {
    if (facts_.kv_events) {
      ::vllm::KvEventSource* source = sources->add_sources();
      source->set_transport("zmq");
      source->set_endpoint(facts_.kv_events->endpoint);
      source->set_topic(facts_.kv_events->topic);
      source->set_replay_endpoint(facts_.kv_events->replay);
      source->set_data_parallel_rank(0);
      source->set_encoding("msgpack");
    }
    return answers_.Now(context);
  }

 private:
  const EngineFacts facts_;
  rpc::LiveCalls* const live_;
  const ControlAnswers answers_;
};

}  // namespace

std::vector<rpc::ExtraService> VllmServices(const EngineFacts& facts) {
  return {{.name = ::vllm::Inference::service_full_name(),
           .make = [facts](const rpc::CallDeps& deps) -> std::unique_ptr<grpc::Service> {
             return std::make_unique<Inference>(facts, deps);
           }},
          {.name = ::vllm::Control::service_full_name(),
           .make = [facts](const rpc::CallDeps& deps) -> std::unique_ptr<grpc::Service> {
             return std::make_unique<Control>(facts, deps);
           }}};
}

}  // namespace waferline::engines
