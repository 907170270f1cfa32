// How calls that ask about the engine are answered: to callers with the right to ask. On gRPC's
// threads; nothing blocks.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/admin/admin_port.h"
#include "server/engines/engine_facts.h"
#include "server/rpc/live_call.h"
#include "server/tenancy/api_keys.h"
#include "server/text/served_model.h"

namespace waferline::engines {

class ControlAnswers {
 public:
  ControlAnswers(const rpc::CallDeps& deps, const EngineFacts& facts);

  // Ends the call with what `work` says of this caller; without the right to ask it is not called.
  grpc::ServerUnaryReactor* Now(
      grpc::CallbackServerContext* context,
      const std::function<absl::Status(const tenancy::Caller&)>& work = nullptr) const;

  // The same, once the engine has said how much it does; `write` fills the answer, on its thread.
  using WriteLoad = std::function<void(const admin::ModelLoad& load)>;
  grpc::ServerUnaryReactor* WithLoad(grpc::CallbackServerContext* context, WriteLoad write) const;

  const text::ServedModel& model() const { return *model_; }

 private:
  const rpc::CallDeps deps_;
  const std::string name_;
  const std::shared_ptr<const text::ServedModel> model_;
};

// Fills x with what ModelLoad's kv_usage means of all blocks.
uint64_t UsedBlocks(const admin::ModelLoad& load, const EngineFacts& facts);

}  // namespace waferline::engines
