// The engine protocols that the configuration turns on.
#pragma once

#include <cstdint>
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

// Its models' files have been opened before, so that they can be now. `unix_seconds`: now.
serving::KvHandoffs HandoffsOf(const config::ServerConfig& config, const std::string& instance,
                               int64_t unix_seconds);
// Waits until what other servers compute is taken here, so that none of it is refused. At most 3 s.
void AwaitHandoffs(const serving::KvHandoffs& handoffs);

}  // namespace waferline::app
