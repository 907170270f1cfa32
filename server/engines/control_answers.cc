#include "server/engines/control_answers.h"

#include <cmath>
#include <utility>

#include "server/rpc/authentication.h"
#include "server/rpc/rpc_status.h"
#include "wafer_backend/base/check.h"

namespace waferline::engines {
namespace {

std::shared_ptr<const text::ServedModel> ModelOf(const std::string& name,
                                                 const rpc::CallDeps& deps) {
  auto found = deps.server->models->Find(name);
  WL_CHECK(found.ok());
  return *found;
}

}  // namespace

ControlAnswers::ControlAnswers(const rpc::CallDeps& deps, const EngineFacts& facts)
    : deps_(deps), name_(facts.model), model_(ModelOf(facts.model, deps)) {}

grpc::ServerUnaryReactor* ControlAnswers::Now(
    grpc::CallbackServerContext* context,
    const std::function<absl::Status(const tenancy::Caller&)>& work) const {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto caller = rpc::Authenticate(*context, *deps_.server);
  const bool asks = caller.ok() && work != nullptr;
  reactor->Finish(rpc::ToGrpcStatus(asks ? work(*caller) : caller.status()));
  return reactor;
}

grpc::ServerUnaryReactor* ControlAnswers::WithLoad(grpc::CallbackServerContext* context,
                                                   WriteLoad write) const {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto caller = rpc::Authenticate(*context, *deps_.server);
  if (!caller.ok()) {
    reactor->Finish(rpc::ToGrpcStatus(caller.status()));
    return reactor;
  }
  deps_.server->admin_port->GetLoad(
      [reactor, write = std::move(write), name = name_](const absl::StatusOr<admin::Load>& load) {
        if (!load.ok()) return reactor->Finish(rpc::ToGrpcStatus(load.status()));
        for (const admin::ModelLoad& model : load->models) {
          if (model.model == name) write(model);
        }
        reactor->Finish(grpc::Status::OK);
      });
  return reactor;
}

uint64_t UsedBlocks(const admin::ModelLoad& load, const EngineFacts& facts) {
  return static_cast<uint64_t>(std::llround(load.kv_usage * static_cast<double>(facts.kv_blocks)));
}

}  // namespace waferline::engines
