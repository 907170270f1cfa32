// A front end of the simulated cloud: the serving layer's sessions, an engine on its thread, and
// the compute plane that drives the workers; with a store, its usage meter. As server/app builds
// them, without HTTP and gRPC: clients hold sessions.
//
// Owner: the front end's process; made and destroyed on its main thread. Thread: any of the world.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/engine/engine.h"
#include "server/metering/store_meter.h"
#include "server/runtime/engine_thread.h"
#include "server/serving/request_session.h"
#include "server/serving/server_deps.h"
#include "server/simulated/run_options.h"
#include "wafer_backend/compute/plane/compute_plane.h"
#include "wafer_backend/emulator/roofline.h"
#include "wafer_backend/emulator/shared_link.h"
#include "wafer_backend/emulator/wafer_pipeline.h"

namespace waferline::simulated {

// As a server has them, with small times.
metering::StoreMeter::Options MeterOptions(const billing::PriceBook& prices);

class FrontEnd {
 public:
  static constexpr int kMaxRunning = 6;
  static constexpr int64_t kBlockTokens = 16;  // of the prefix cache

  struct Options {
    plane::RemoteOptions remote;
    store::Store* store = nullptr;               // null: usage is not recorded
    const billing::PriceBook* prices = nullptr;  // with a store
    int64_t max_batch = 8;
  };
  // Connects to the workers, starts all threads. Their errors.
  static absl::StatusOr<std::unique_ptr<FrontEnd>> Start(const Options& options);
  ~FrontEnd();

  // What a request goes through. The caller drops its sessions before this dies.
  const serving::ServerDeps* deps() const { return &deps_; }
  engine::EngineSnapshot Snapshot() { return thread_->Snapshot(); }
  bool CheckLaws();  // of the engine, on its thread, later; false: it has ended
  // A token left before its instant.
  bool early() const { return lateness_.early; }
  plane::PlaneCounters counters() const { return plane_->counters(); }
  std::vector<ShardMemory> memory() const { return plane_->memory(); }
  const tenancy::UsageLedger& ledger() const { return ledger_; }
  metering::StoreMeter* meter() { return meter_.get(); }

  // New requests are refused, those in flight end; returns when they have. False: the database did
  // not take all that was to be recorded.
  bool Stop();

 private:
  struct Quiet : runtime::LatenessObserver {
    void OnTokenLateness(const engine::TokenInfo&, Nanoseconds late) override {
      early |= late < Nanoseconds(0);
    }
    bool early = false;
  };
  FrontEnd() = default;
  absl::Status StartEngine();
  void FillDeps();

  Timeline timeline_;
  Quiet lateness_;
  std::unique_ptr<metering::StoreMeter> meter_;  // outlives the sinks
  std::unique_ptr<runtime::EngineThread> thread_;
  std::unique_ptr<plane::ComputePlane> plane_;
  std::unique_ptr<emulator::RooflinePrefill> prefill_;
  std::unique_ptr<emulator::WaferPipeline> pipeline_;
  std::unique_ptr<emulator::SharedLink> link_;
  std::unique_ptr<engine::Engine> engine_;

  tenancy::ApiKeys keys_;
  tenancy::Budgets budgets_{{}, {}};
  tenancy::UsageLedger ledger_;
  metering::UsageMeter no_meter_;
  metrics::FrontMetrics metrics_;
  serving::MemoryGate memory_;
  trace::Tracer tracer_{{}};
  serving::RequestLog log_;
  serving::ServerDeps deps_;
};

}  // namespace waferline::simulated
