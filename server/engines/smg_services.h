// vllm.grpc.engine.VllmEngine, for SMG's router. On gRPC's threads: nothing here blocks.
#pragma once

#include <vector>

#include "server/engines/engine_facts.h"
#include "server/rpc/rpc_server.h"

namespace waferline::engines {

// The model of `facts` must be in the server's catalog.
std::vector<rpc::ExtraService> SmgServices(const EngineFacts& facts);

}  // namespace waferline::engines
