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

#include "absl/status/status.h"
#include "wafer_backend/compute/link/worker_process.h"
#include "wafer_backend/compute/prefill/prefill_worker.h"

namespace waferline::prefill {

struct PrefillServerOptions : link::WorkerProcess {
  // Loaded before, with all layers, and shared with other workers of this process; null: loaded
  // from model_path.
  std::shared_ptr<const shard::PackedModel> model;
  PrefillOptions prefill;
  // Called with the epoch of each driver that owns this worker from now on. Optional.
  std::function<void(uint64_t epoch)> on_driver;
};

// Serves until `stop` is set (looked at ten times a second, and between chunks). Errors: those of
// loading the model, of PrefillWorker::Create and of listening.
absl::Status RunPrefillServer(const PrefillServerOptions& options, const std::atomic<bool>& stop);

}  // namespace waferline::prefill
