// The engine protocols that the configuration turns on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/app/cloud.h"
#include "server/config/server_config.h"
#include "server/rpc/rpc_server.h"
#include "server/serving/kv_handoffs.h"

namespace waferline::app {

// `instance`: of this process.
std::vector<rpc::ExtraService> EngineServices(const config::EngineApiConfig& config,
                                              const Cloud& cloud, const std::string& instance);

// Its models' files have been opened before, so that they can be now. `unix_seconds`: now. Errors:
// the file of what was taken.
absl::StatusOr<std::unique_ptr<serving::KvHandoffs>> HandoffsOf(const config::ServerConfig& config,
                                                                const std::string& instance,
                                                                int64_t unix_seconds);
// What HandoffsOf would say of the file of what was taken, without making it.
absl::Status CheckTakenFile(const std::string& file);
// Waits until what other servers compute is taken here, so that none of it is refused. At most 3 s;
// if the clock went back by more it is printed from when on that is.
void AwaitHandoffs(const serving::KvHandoffs& handoffs);

}  // namespace waferline::app
