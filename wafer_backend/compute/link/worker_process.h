// What every worker's process is given, whatever it computes: where it listens, who it is, how its
// links behave, and whom it tells. The servers' options (RunShardServer, RunPrefillServer, ...) add
// their own to it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "wafer_backend/base/tls/credentials.h"
#include "wafer_backend/compute/link/frames.h"
#include "wafer_backend/compute/link/liveness.h"
#include "wafer_backend/compute/link/vitals.h"

namespace waferline::link {

struct WorkerProcess {
  std::string listen = "127.0.0.1:0";  // host:port; port 0: the system chooses
  std::string model_path;
  std::string name;          // of this process, for messages of others
  uint64_t incarnation = 0;  // random, another each time it starts
  Liveness liveness;
  std::shared_ptr<tls::Credentials> tls;                        // of its links; null: plain
  std::shared_ptr<Vitals> vitals = std::make_shared<Vitals>();  // for a probe
  int threads = 0;                                              // that compute; 0: one a core
  // Called once when connections are accepted.
  std::function<void(uint16_t port)> on_ready;
  // Events for the operator's log: peers refused or disconnected, and why. Optional.
  std::function<void(const std::string& remark)> on_remark;

  int ComputeThreads() const {
    if (threads > 0) return threads;
    return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
  }

  // Puts who it is into its greeting.
  void Sign(HelloFrame* hello) const {
    hello->credentials.worker = name;
    hello->credentials.incarnation = incarnation;
  }
};

}  // namespace waferline::link
