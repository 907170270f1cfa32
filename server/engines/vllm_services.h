// vllm.Inference and vllm.Control, for routers that speak vLLM's engine protocol. On gRPC's
// threads: nothing here blocks.
#pragma once

#include <vector>

#include "server/engines/engine_facts.h"
#include "server/rpc/rpc_server.h"

namespace waferline::engines {

// The model of `facts` must be in the server's catalog.
std::vector<rpc::ExtraService> VllmServices(const EngineFacts& facts);

}  // namespace waferline::engines
