// openengine.v1.Inference and openengine.v1.Control, for routers that speak OpenEngine. On gRPC's
// threads: nothing here blocks.
#pragma once

#include <vector>

#include "server/engines/engine_facts.h"
#include "server/rpc/rpc_server.h"

namespace waferline::engines {

// The model of `facts` must be in the server's catalog.
std::vector<rpc::ExtraService> OpenEngineServices(const EngineFacts& facts);

}  // namespace waferline::engines
