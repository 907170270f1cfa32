#include "server/simulated/front_end.h"

#include <utility>

#include "server/runtime/host.h"
#include "server/simulated/tiny_model.h"
#include "wafer_backend/base/status.h"

namespace waferline::simulated {
namespace {

// An emulated cloud with round numbers: a prompt token takes 0.2 ms, a layer 1 ms.
constexpr Nanoseconds kPerLayer = Milliseconds(1);
constexpr double kPrefillSecondsPerToken = 2e-4;
constexpr int64_t kKvBytesPerToken = 3 * 2 * 8 * 4;

}  // namespace

metering::StoreMeter::Options MeterOptions(const billing::PriceBook& prices) {
  return {.host = "simulated",
          .patience = Seconds(2),
          .now = runtime::MonotonicNow,
          .unix_us = runtime::UnixMicroseconds,
          .prices = &prices,
          .credit_unconfirmed = true};
}

absl::StatusOr<std::unique_ptr<FrontEnd>> FrontEnd::Start(const Options& options) {
  std::unique_ptr<FrontEnd> front(new FrontEnd());
  runtime::EngineThreadOptions thread;
  thread.clock.spin = Nanoseconds(0);
  thread.drain_bound = Seconds(2);
  front->thread_ =
      std::make_unique<runtime::EngineThread>(thread, &front->timeline_, &front->lateness_);
  WL_ASSIGN_OR_RETURN(
      front->plane_,
      plane::ComputePlane::Create(
          {.model = "tiny", .remote = options.remote, .threads = 1, .max_batch = options.max_batch},
          front->thread_.get()));
  if (options.store != nullptr) {
    WL_ASSIGN_OR_RETURN(front->meter_,
                        metering::StoreMeter::Start(options.store, MeterOptions(*options.prices)));
  }
  WL_RETURN_IF_ERROR(front->StartEngine());
  front->FillDeps();
  return front;
}

absl::Status FrontEnd::StartEngine() {
  prefill_ = std::make_unique<emulator::RooflinePrefill>(timing::BatchCosts{
      .kinds = {{.work = {.token_seconds = kPrefillSecondsPerToken}, .layers = 1}},
      .layers = TinyModel::kLayers});
  pipeline_ =
      std::make_unique<emulator::WaferPipeline>(std::make_shared<emulator::LinearStageCosts>(
          emulator::LinearCosts{.layers = TinyModel::kLayers,
                                .stages = TinyModel::kLayers,
                                .per_layer = kPerLayer,
                                .max_kv_length = Tokens(TinyModel::kContext)}));
  link_ = std::make_unique<emulator::SharedLink>(&timeline_, 1e9, Microseconds(10));
  engine::LaneSpec lane;
  lane.model = "tiny";
  lane.values = plane_.get();
  lane.kv_bytes_per_token = Bytes(kKvBytesPerToken);
  lane.block_tokens = kBlockTokens;
  lane.workers.push_back({.name = "prefill", .device = prefill_.get()});
  lane.units.push_back({.name = "wafer",
                        .pipeline = pipeline_.get(),
                        .memory = plane_->memory(),
                        .max_running = kMaxRunning,
                        .link = link_.get()});
  WL_ASSIGN_OR_RETURN(engine_, engine::Engine::Create({.max_sequences = 64}, &timeline_, {lane},
                                                      {thread_->observer()}));
  thread_->Start(engine_.get());
  return absl::OkStatus();
}

void FrontEnd::FillDeps() {
  deps_.front_door = thread_.get();
  deps_.keys = &keys_;
  deps_.budgets = &budgets_;
  deps_.ledger = &ledger_;
  deps_.meter = meter_ != nullptr ? static_cast<metering::UsageMeter*>(meter_.get()) : &no_meter_;
  deps_.metrics = &metrics_;
  deps_.memory = &memory_;
  deps_.tracer = &tracer_;
  deps_.log = &log_;
  deps_.clock = {.monotonic = runtime::MonotonicNow, .unix_seconds = runtime::UnixSeconds};
}

bool FrontEnd::CheckLaws() {
  return thread_->Post([](engine::Engine& engine) { engine.CheckLaws(); });
}

bool FrontEnd::Stop() {
  thread_->Stop();
  return meter_ == nullptr || meter_->Stop();
}

FrontEnd::~FrontEnd() {
  thread_->Stop();
  engine_.reset();
  plane_.reset();
}

}  // namespace waferline::simulated
