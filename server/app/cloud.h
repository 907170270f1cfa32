// The whole cloud behind the front ends: models, their devices on timelines, engines on their
// threads, metrics. Built by hand, in one place, from a configuration.
//
// On the real clock each model has an engine, a timeline and a thread of its own, so that a model
// whose values do not come delays no other. On the stepped clock all share one: a schedule is then
// a function of the requests alone.
//
// Owner: main. Thread: any, after Build. End: Stop drains; then the front ends must go before this
// does.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/engine/engine.h"
#include "scheduler/fleet/fault_script.h"
#include "scheduler/fleet/live_faults.h"
#include "server/app/hosted_model.h"
#include "server/app/kv_publishers.h"
#include "server/config/server_config.h"
#include "server/live/journal.h"
#include "server/metrics/exposition.h"
#include "server/runtime/engine_group.h"
#include "server/runtime/engine_thread.h"
#include "server/text/served_model.h"
#include "server/trace/phase_watch.h"

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

// Where a model runs: an engine of the group, and its lane there.
struct ModelPlace {
  size_t engine = 0;
  engine::LaneIndex lane;
};

// What a model's decode units hold, all together.
struct ModelCapacity {
  Tokens block_tokens;  // of the prefix cache
  int64_t kv_blocks = 0;
  int64_t max_running = 0;  // sequences
};

using StandbyPools = std::map<std::string, std::shared_ptr<membership::StandbyPool>>;

class Cloud {
 public:
  // Loads every model; errors name the model and what is wrong with it.
  // `standbys`: for models' chains of worker processes, by name.
  static absl::StatusOr<std::unique_ptr<Cloud>> Build(const config::ServerConfig& config,
                                                      const StandbyPools& standbys = {});
  ~Cloud();

  runtime::EngineGroup& engines() { return *engines_; }
  metrics::Exposition& exposition() { return *exposition_; }
  // What the page shows of an engine's requests. That engine's thread.
  live::Journal& journal(size_t engine) { return journals_.at(engine); }
  // What phases of traced requests are reported to.
  trace::PhaseWatch* phases() { return &phases_; }
  // Where the models lie, and their wafers (server/live/layout.h).
  std::string LayoutJson() const;
  const text::ModelCatalog& catalog() const { return *catalog_; }
  // Of the models whose tokens are computed.
  std::vector<metrics::ComputeFigures> compute() const;
  std::vector<metrics::KvEventFigures> kv_events() const { return kv_publishers_->Figures(); }
  // Which worker of a model is gone, and why; "": none. Any thread.
  std::string OutageOf(const std::string& model) const;
  // Why nothing is computed for a model that has all its workers; "": it is. Any thread.
  std::string DamageOf(const std::string& model) const;
  // Takes one more chain of workers for a model of a cell; waits for them. The main thread. Errors:
  // those of reaching the workers.
  absl::Status JoinChain(const std::string& model, const config::WorkerChain& chain);
  std::optional<ModelPlace> PlaceOf(const std::string& model) const;
  // Nothing for a model that is not served. Any thread.
  ModelCapacity CapacityOf(const std::string& name) const;
  // What a generated token of a model occupies of its wafers, at most and healthy: wafers x
  // nanoseconds; 0 for a model that is not served. Any thread.
  int64_t WaferNsPerToken(const std::string& model) const;
  // Of a model's units; any thread.
  fleet::LiveFaults& live_faults(const std::string& model) { return live_faults_.at(model); }
  // That engine's thread only.
  fleet::FaultScript& fault_script(size_t engine) { return hosts_.at(engine).fault_script; }

  // Refuses new requests, lets those in flight finish within the configured bound, aborts the rest.
  void Stop();

 private:
  // An engine with what it runs on. In this order: each uses what stands above it.
  struct EngineHost {
    Timeline timeline;
    fleet::FaultScript fault_script{&timeline};
    LateWaker waker;
    std::vector<HostedModel> models;  // by lane
    std::unique_ptr<runtime::EngineThread> thread;
    std::unique_ptr<engine::Engine> engine;
    std::vector<engine::LaneSpec> Lanes() const;
  };

  Cloud() = default;
  absl::Status LoadModels(const config::ServerConfig& config, const StandbyPools& standbys);
  absl::Status StartEngines(const config::ServerConfig& config);

  std::unique_ptr<metrics::Exposition> exposition_;
  std::deque<live::Journal> journals_;               // of each engine; outlive it
  std::deque<runtime::LatenessObservers> lateness_;  // the same
  std::unique_ptr<KvPublishers> kv_publishers_;      // the same
  trace::PhaseWatch phases_;                         // the same
  std::deque<EngineHost> hosts_;
  std::map<std::string, fleet::LiveFaults> live_faults_;  // by model
  std::map<std::string, int64_t> wafer_ns_per_token_;     // of healthy units
  std::unique_ptr<text::ModelCatalog> catalog_;
  std::unique_ptr<runtime::EngineGroup> engines_;
};

}  // namespace waferline::app
