// The engine protocols that the configuration turns on.
#pragma once

#include <vector>

#include "server/app/cloud.h"
#include "server/config/server_config.h"
#include "server/rpc/rpc_server.h"

namespace waferline::app {

std::vector<rpc::ExtraService> EngineServices(const config::EngineApiConfig& config,
                                              const Cloud& cloud);

}  // namespace waferline::app
