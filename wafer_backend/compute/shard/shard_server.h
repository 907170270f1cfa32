// A shard as a process of its own (`waferd --role shard` or `attention`): listens for the driver,
// its neighbour before it and the prefill worker, connects to its neighbour behind it when the
// driver says where that is, and runs steps as they come.
//
// One thread does all of it, so a step's way through a shard has no hand-over between threads.
// When the driver joins the shards, this one connects to the workers that have the rest of its
// layers too; when one of those is lost, the driver joins the shards again. One driver owns a
// shard: shard_node.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "wafer_backend/compute/link/worker_process.h"
#include "wafer_backend/compute/shard/shard.h"

namespace waferline::shard {

struct ShardServerOptions : link::WorkerProcess {
  // Loaded before, and shared with other workers of this process; null: loaded from model_path.
  std::shared_ptr<const PackedModel> model;
  ShardOptions shard;  // without layers: its driver assigns them, which then takes their loading
  // host:port of the workers that have what the shard does not have of its layers: other experts,
  // or feed-forward parts.
  std::vector<std::string> workers;
  Nanoseconds worker_patience = Seconds(10);  // for connecting, and for one layer's answers
  // Called with the epoch of each driver that owns this worker from now on. Optional.
  std::function<void(uint64_t epoch)> on_driver;
};

// Serves until `stop` is set (looked at ten times a second). Errors: those of loading the model, of
// Shard::Create and of listening.
absl::Status RunShardServer(const ShardServerOptions& options, const std::atomic<bool>& stop);

}  // namespace waferline::shard
