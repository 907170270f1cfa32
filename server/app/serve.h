// The serving role of waferd: builds the cloud of a configuration, opens the doors, and ends on
// SIGTERM or SIGINT after a drain. A front end of a cell does so while it leads the cell, and
// stands by while another one does.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/config/server_config.h"
#include "wafer_backend/membership/standby_pool.h"

namespace waferline::app {

struct ServeOptions {
  config::ServerConfig config;
  std::string config_path;  // its file, for warnings about who may read it
  // Of models whose workers a cell claims, by name.
  std::map<std::string, std::shared_ptr<membership::StandbyPool>> standbys;
  std::string remark;  // a line about the configuration; empty: none
  std::string
      port_file;  // gets {"http":8080,"grpc":50051,"pid":1} once both doors are open; empty: none
};

// Blocks until a signal; one before the doors are open, or a second one, ends the process at once.
// The signals must be blocked in every thread (signals.h).
absl::Status Serve(const ServeOptions& options);

}  // namespace waferline::app
