// A part of some layers as a process of its own: experts (`waferd --role experts`) or whole
// feed-forward parts (`--role ffn`). Listens for the shards of those layers and computes what they
// send, in the order in which it comes. It keeps nothing of them.
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
#include "wafer_backend/compute/shard/expert_worker.h"
#include "wafer_backend/compute/shard/feed_forward_worker.h"

namespace waferline::shard {

template <typename WorkerOptions>
struct LayerServerOptions {
  std::string listen = "127.0.0.1:0";  // host:port; port 0: the system chooses
  std::string model_path;
  WorkerOptions worker;
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
using ExpertServerOptions = LayerServerOptions<ExpertWorkerOptions>;
using FeedForwardServerOptions = LayerServerOptions<FeedForwardWorkerOptions>;

// Serve until `stop` is set (looked at ten times a second). Errors: those of loading the model, of
// the worker's Create and of listening.
absl::Status RunExpertServer(const ExpertServerOptions& options, const std::atomic<bool>& stop);
absl::Status RunFeedForwardServer(const FeedForwardServerOptions& options,
                                  const std::atomic<bool>& stop);

}  // namespace waferline::shard
