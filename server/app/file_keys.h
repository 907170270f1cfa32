// The configuration's API keys and limits, as the front ends take them. Pure functions, any thread.
#pragma once

#include <vector>

#include "server/config/server_config.h"
#include "server/tenancy/api_keys.h"
#include "server/tenancy/budget.h"

namespace waferline::app {

std::vector<tenancy::ApiKey> FileKeys(const config::ServerConfig& config);
tenancy::LimitsByTenant FileLimits(const config::ServerConfig& config);

}  // namespace waferline::app
