// A part of some layers as a process of its own: experts (`waferd --role experts`) or whole
// feed-forward parts (`--role ffn`). Listens for the shards of those layers and computes what they
// send, in the order in which it comes. It keeps nothing of them.
#pragma once

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "wafer_backend/compute/link/worker_process.h"
#include "wafer_backend/compute/shard/expert_worker.h"
#include "wafer_backend/compute/shard/feed_forward_worker.h"

namespace waferline::shard {

template <typename WorkerOptions>
struct LayerServerOptions : link::WorkerProcess {
  // Loaded before, with what the worker has of it; null: loaded from model_path.
  std::shared_ptr<const PackedModel> model;
  WorkerOptions worker;
};
using ExpertServerOptions = LayerServerOptions<ExpertWorkerOptions>;
using FeedForwardServerOptions = LayerServerOptions<FeedForwardWorkerOptions>;

// Serve until `stop` is set (looked at ten times a second). Errors: those of loading the model, of
// the worker's Create and of listening.
absl::Status RunExpertServer(const ExpertServerOptions& options, const std::atomic<bool>& stop);
absl::Status RunFeedForwardServer(const FeedForwardServerOptions& options,
                                  const std::atomic<bool>& stop);

}  // namespace waferline::shard
