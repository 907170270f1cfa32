// waferd as one worker of a cloud whose compute plane is spread over processes. Both block until
// SIGTERM or SIGINT.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace waferline::app {

struct WorkerOptions {
  std::string listen;     // HOST:PORT; port 0: the system chooses
  std::string model;      // GGUF
  std::string layers;     // "FIRST:END"; shards only
  double sram_bytes = 0;  // shards only
  int threads = 1;
  std::string port_file;  // gets {"port":7101,"pid":1}; empty: none
};

absl::Status RunShard(const WorkerOptions& options);
absl::Status RunPrefill(const WorkerOptions& options);

}  // namespace waferline::app
