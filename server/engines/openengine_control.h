// openengine.v1.Control. On gRPC's threads: nothing here blocks.
#pragma once

#include "proto/openengine/v1/control.grpc.pb.h"
#include "server/engines/control_answers.h"
#include "server/engines/engine_facts.h"
#include "server/rpc/live_call.h"

namespace waferline::engines {

class OpenEngineControl final : public openengine::v1::Control::CallbackService {
 public:
  OpenEngineControl(const EngineFacts& facts, const rpc::CallDeps& deps)
      : facts_(facts), deps_(deps), answers_(deps, facts) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const openengine::v1::GetServerInfoRequest* request,
                                          openengine::v1::ServerInfo* info) override;
  grpc::ServerUnaryReactor* GetModelInfo(grpc::CallbackServerContext* context,
                                         const openengine::v1::GetModelInfoRequest* request,
                                         openengine::v1::ModelInfo* info) override;
  grpc::ServerUnaryReactor* GetLoad(grpc::CallbackServerContext* context,
                                    const openengine::v1::GetLoadRequest* request,
                                    openengine::v1::LoadInfo* info) override;
  grpc::ServerUnaryReactor* Health(grpc::CallbackServerContext* context,
                                   const openengine::v1::HealthRequest* request,
                                   openengine::v1::HealthResponse* health) override;
  grpc::ServerUnaryReactor* Abort(grpc::CallbackServerContext* context,
                                  const openengine::v1::AbortRequest* request,
                                  openengine::v1::AbortResponse* response) override;
  grpc::ServerUnaryReactor* GetKvEventSources(
      grpc::CallbackServerContext* context, const openengine::v1::GetKvEventSourcesRequest* request,
      openengine::v1::GetKvEventSourcesResponse* sources) override;

 private:
  openengine::v1::EngineRole Role() const;

  const EngineFacts facts_;
  const rpc::CallDeps deps_;
  const ControlAnswers answers_;
};

}  // namespace waferline::engines
