// The engine protocols that the configuration turns on.
#pragma once

#include <string>
#include <vector>

#include "server/app/cloud.h"
#include "server/config/server_config.h"
#include "server/rpc/rpc_server.h"
#include "server/serving/kv_handoffs.h"

namespace waferline::app {

// `instance`: of this process.
std::vector<rpc::ExtraService> EngineServices(const config::EngineApiConfig& config,
                                              const Cloud& cloud, const std::string& instance);

// Its models' files have been opened before, so that they can be now.
serving::KvHandoffs HandoffsOf(const config::ServerConfig& config, const std::string& instance);

}  // namespace waferline::app
