// waferd as one worker of a cloud whose compute plane is spread over processes. All block until
// SIGTERM or SIGINT.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/app/worker_listing.h"

namespace waferline::app {

struct WorkerOptions {
  std::string listen;   // HOST:PORT; port 0: the system chooses
  std::string model;    // GGUF
  std::string layers;   // "FIRST:END", of a shard also "any"; not of the prefill worker
  std::string experts;  // "FIRST:END"; "" for a shard that has all
  // "HOST:PORT,...": of a shard, who has the other experts; of an attention worker, who has the
  // feed-forward parts.
  std::string workers;
  int micro_batches = 1;  // of an attention worker's step
  double sram_bytes = 0;  // not of the prefill worker
  int threads = 1;
  std::string tls;                       // folder with tls.crt, tls.key, ca.crt; "": plain
  Nanoseconds tls_reload = Seconds(30);  // how often its files are looked at
  bool insecure = false;                 // beyond loopback although plain
  std::string probe;                     // HOST:PORT of /live, /ready, /metrics; "": none
  std::string port_file;                 // gets {"port":7101,"probe":9101,"pid":1}; empty: none
  ListingOptions listing;
};

absl::Status RunShard(const WorkerOptions& options);
absl::Status RunAttention(const WorkerOptions& options);
absl::Status RunExperts(const WorkerOptions& options);
absl::Status RunFeedForward(const WorkerOptions& options);
absl::Status RunPrefill(const WorkerOptions& options);

}  // namespace waferline::app
