#include "server/engines/smg_services.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "proto/smg/vllm_engine.grpc.pb.h"
#include "server/engines/control_answers.h"
#include "server/engines/smg_calls.h"
#include "server/rpc/call_intake.h"
#include "server/rpc/live_calls.h"

namespace waferline::engines {
namespace {

namespace smg = ::vllm::grpc::engine;

// The protocol's numbers are signed.
int32_t Bounded(uint64_t value) {
  return static_cast<int32_t>(std::min<uint64_t>(value, std::numeric_limits<int32_t>::max()));
}

class Engine final : public smg::VllmEngine::CallbackService {
 public:
  Engine(const EngineFacts& facts, const rpc::CallDeps& deps)
      : facts_(facts), deps_(deps), intake_(deps), answers_(deps, facts) {}

  SmgReactor* Generate(grpc::CallbackServerContext* context,
                       const smg::GenerateRequest* request) override {
    const std::string id = intake_.RequestId(context, request->request_id());
    if (request->stream())
      return Begin(context, *request, std::make_shared<SmgStream>(deps_, context, id));
    return Begin(context, *request, std::make_shared<SmgWhole>(deps_, context, id));
  }

  grpc::ServerUnaryReactor* HealthCheck(grpc::CallbackServerContext* context,
                                        const smg::HealthCheckRequest*,
                                        smg::HealthCheckResponse* health) override {
    const bool draining = deps_.server->admin_port->draining();
    health->set_healthy(!draining);
    health->set_message(draining ? "draining" : "serving");
    return answers_.Now(context);
  }

  grpc::ServerUnaryReactor* Abort(grpc::CallbackServerContext* context,
                                  const smg::AbortRequest* request, smg::AbortResponse*) override {
    return answers_.Now(context, [&](const tenancy::Caller& caller) {
      for (const std::string& id : request->request_ids()) deps_.live->Abort(id, caller.tenant);
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* GetModelInfo(grpc::CallbackServerContext* context,
                                         const smg::GetModelInfoRequest*,
                                         smg::GetModelInfoResponse* info) override {
    const text::ServedModel& model = answers_.model();
    const auto context_tokens = static_cast<uint32_t>(model.context_tokens.count());
    info->set_model_path(facts_.model_source);
    info->set_is_generation(true);
    info->set_max_context_length(context_tokens);
    info->set_max_req_input_len(static_cast<int32_t>(context_tokens - 1));
    info->set_vocab_size(static_cast<uint32_t>(model.tokenizer->size()));
    info->set_served_model_name(facts_.model);
    info->set_tokenizer_path(facts_.model_source);
    for (const TokenId id : model.tokenizer->end_ids()) info->add_eos_token_ids(id);
    info->set_bos_token_id(model.tokenizer->bos().value_or(0));
    return answers_.Now(context);
  }

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const smg::GetServerInfoRequest*,
                                          smg::GetServerInfoResponse* info) override {
    info->set_server_type("vllm-grpc");
    const serving::KvHandoffs& handoffs = *deps_.server->handoffs;
    if (handoffs.enabled()) {
      const auto& settings = handoffs.settings();
      // Names the router's way with both legs: what the first one's answer hands over goes to the
      // second one as it is.
      info->set_kv_connector("NixlConnector");
      info->set_kv_role(!settings.decodes           ? "kv_producer"
                        : settings.computes_prompts ? "kv_both"
                                                    : "kv_consumer");
      info->set_kv_engine_id(settings.engine_id);
    }
    info->set_data_parallel_size(1);
    info->set_block_size(Bounded(facts_.block_tokens));
    info->set_max_num_seqs(Bounded(facts_.max_running));
    info->set_constrained_decoding_start("first_token");
    return answers_.Now(context);
  }

  grpc::ServerUnaryReactor* GetLoads(grpc::CallbackServerContext* context,
                                     const smg::GetLoadsRequest*,
                                     smg::GetLoadsResponse* loads) override {
    return answers_.WithLoad(context, [this, loads](const admin::ModelLoad& load) {
      loads->set_version("waferline-" + facts_.version);
      loads->set_dp_rank_count(1);
      smg::SchedulerLoad* rank = loads->add_loads();
      rank->set_num_running_reqs(Bounded(load.running));
      rank->set_num_waiting_reqs(Bounded(load.waiting));
      rank->set_num_total_reqs(Bounded(uint64_t{load.running} + load.waiting));
      rank->set_num_used_tokens(Bounded(UsedBlocks(load, facts_) * facts_.block_tokens));
      rank->set_max_total_num_tokens(Bounded(facts_.kv_blocks * facts_.block_tokens));
      rank->set_token_usage(load.kv_usage);
      rank->set_max_running_requests(Bounded(facts_.max_running));
    });
  }

 private:
  template <typename Call>
  SmgReactor* Begin(grpc::CallbackServerContext* context, const smg::GenerateRequest& request,
                    const std::shared_ptr<Call>& call) const {
    auto read = ReadSmgRequest(request, facts_);
    intake_.Begin(context,
                  read.ok() ? rpc::CallIntake::Message(
                                  std::make_shared<const v1::GenerateRequest>(*std::move(read)))
                            : rpc::CallIntake::Message(read.status()),
                  call);
    return call.get();
  }

  const EngineFacts facts_;
  const rpc::CallDeps deps_;
  const rpc::CallIntake intake_;
  const ControlAnswers answers_;
};

}  // namespace

std::vector<rpc::ExtraService> SmgServices(const EngineFacts& facts) {
  return {{.name = smg::VllmEngine::service_full_name(),
           .make = [facts](const rpc::CallDeps& deps) -> std::unique_ptr<grpc::Service> {
             return std::make_unique<Engine>(facts, deps);
           }}};
}

}  // namespace waferline::engines
