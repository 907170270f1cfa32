// The whole cloud behind the front ends: models, devices on one timeline, the engine on its thread,
// metrics. Built by hand, in one place, from a configuration.
//
// Owner: main. Thread: any, after Build. End: Stop drains; then the front ends must go before this
// does.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/engine/engine.h"
#include "scheduler/fleet/fault_script.h"
#include "scheduler/fleet/live_faults.h"
#include "server/app/hosted_model.h"
#include "server/config/server_config.h"
#include "server/metrics/exposition.h"
#include "server/runtime/engine_thread.h"
#include "server/text/served_model.h"

namespace waferline::app {

// Forwards wake-ups to a waker that is set later; until then they are dropped. Any thread.
class LateWaker : public Waker {
 public:
  void ForwardTo(Waker* waker) { waker_.store(waker); }
  void Wake() override {
    if (Waker* waker = waker_.load()) waker->Wake();
  }

 private:
  std::atomic<Waker*> waker_{nullptr};
};

class Cloud {
 public:
  // Loads every model; errors name the model and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<Cloud>> Build(const config::ServerConfig& config);
  ~Cloud();

  runtime::EngineThread& engine() { return *thread_; }
  metrics::Exposition& exposition() { return *exposition_; }
  const text::ModelCatalog& catalog() const { return *catalog_; }
  // Of the models whose tokens are computed.
  std::vector<metrics::ComputeFigures> compute() const;
  std::optional<engine::LaneIndex> LaneOf(const std::string& model) const;
  // Of a lane's units; any thread.
  fleet::LiveFaults& live_faults(engine::LaneIndex lane) { return live_faults_.at(lane.value); }
  fleet::FaultScript& fault_script() { return fault_script_; }  // the engine's thread only

  // Refuses new requests, lets those in flight finish within the configured bound, aborts the rest.
  void Stop();

 private:
  Cloud() = default;

  // In this order: each uses what stands above it.
  Timeline timeline_;
  fleet::FaultScript fault_script_{&timeline_};
  std::unique_ptr<LateWaker> waker_;
  std::unique_ptr<metrics::Exposition> exposition_;
  std::vector<HostedModel> models_;
  std::deque<fleet::LiveFaults> live_faults_;  // by lane
  std::unique_ptr<text::ModelCatalog> catalog_;
  std::unique_ptr<runtime::EngineThread> thread_;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace waferline::app
