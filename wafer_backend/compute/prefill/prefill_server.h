// A prefill worker as a process of its own (`waferd --role prefill`): takes prompts from a driver,
// computes them, sends pages straight to the shards and logits back to the driver.
//
// One thread does all of it: between two chunks it looks at its connections, so a cancelled prompt
// costs at most the chunk it is in. When the driver goes, its jobs go with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "wafer_backend/base/tls/credentials.h"
#include "wafer_backend/compute/link/liveness.h"
#include "wafer_backend/compute/link/vitals.h"
#include "wafer_backend/compute/prefill/prefill_worker.h"

namespace waferline::prefill {

struct PrefillServerOptions {
  std::string listen = "127.0.0.1:0";  // host:port; port 0: the system chooses
  std::string model_path;
  // Loaded before, with all layers, and shared with other workers of this process; null: loaded
  // from model_path.
  std::shared_ptr<const shard::PackedModel> model;
  PrefillOptions prefill;
  std::string name;          // of this process, for messages of others
  uint64_t incarnation = 0;  // random, another each time it starts
  link::Liveness liveness;
  std::shared_ptr<tls::Credentials> tls;  // of its links; null: plain
  std::shared_ptr<link::Vitals> vitals = std::make_shared<link::Vitals>();  // for a probe
  int threads = 0;  // that compute; 0: one a core
  // Called once when connections are accepted.
  std::function<void(uint16_t port)> on_ready;
  // Events for the operator's log: peers refused or disconnected, and why. Optional.
  std::function<void(const std::string& remark)> on_remark;
};

// Serves until `stop` is set (looked at ten times a second, and between chunks). Errors: those of
// loading the model, of PrefillWorker::Create and of listening.
absl::Status RunPrefillServer(const PrefillServerOptions& options, const std::atomic<bool>& stop);

}  // namespace waferline::prefill
