#include "server/app/cloud.h"

#include <algorithm>
#include <utility>

#include "server/runtime/host.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/plane/compute_plane.h"

namespace waferline::app {
namespace {

runtime::EngineThreadOptions ThreadOptions(const config::ServerConfig& config) {
  runtime::EngineThreadOptions options;
  options.clock.kind =
      config.clock.stepped ? runtime::ClockKind::kStepped : runtime::ClockKind::kReal;
  options.clock.scale = config.clock.scale;
  options.clock.spin = config.clock.spin;
  options.clock.arrival_grace = config.clock.arrival_grace;
  options.mailbox_capacity = config.limits.mailbox;
  options.drain_bound = config.limits.drain;
  return options;
}

metrics::MeteredLane Metered(const HostedModel& model) {
  metrics::MeteredLane lane{.model = model.served->name,
                            .computed = model.served->origin == text::TokenOrigin::kComputed,
                            .description = model.served->origin_label};
  for (const engine::DecodeUnitSpec& unit : model.Lane().units) {
    int64_t pages = INT64_MAX;
    for (const ShardMemory& stage : unit.memory)
      pages = std::min(pages, stage.kv_capacity() / stage.kv_per_page);
    lane.page_tokens = unit.memory.front().page_tokens;
    lane.kv_pages += pages;
  }
  return lane;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Cloud>> Cloud::Build(const config::ServerConfig& config) {
  auto cloud = std::unique_ptr<Cloud>(new Cloud());
  // Sources need the thread's waker, the thread needs the exposition, and the exposition the names
  // of the loaded models: so sources get a LateWaker, which forwards to the thread once it exists.
  cloud->waker_ = std::make_unique<LateWaker>();
  const ModelSite site{.timeline = &cloud->timeline_,
                       .waker = cloud->waker_.get(),
                       .created_unix_s = runtime::UnixSeconds()};
  std::vector<std::shared_ptr<const text::ServedModel>> served;
  std::vector<metrics::MeteredLane> metered;
  std::vector<engine::LaneSpec> lanes;
  for (const config::ModelConfig& model : config.models) {
    WL_ASSIGN_OR_RETURN(HostedModel hosted, LoadHostedModel(model, site));
    served.push_back(hosted.served);
    metered.push_back(Metered(hosted));
    lanes.push_back(hosted.Lane());
    const engine::LaneIndex lane{static_cast<uint32_t>(cloud->models_.size())};
    cloud->live_faults_.emplace_back(hosted.devices.get(), lane);
    cloud->models_.push_back(std::move(hosted));
  }
  cloud->catalog_ = std::make_unique<text::ModelCatalog>(std::move(served));
  cloud->exposition_ = std::make_unique<metrics::Exposition>(metered);
  cloud->thread_ = std::make_unique<runtime::EngineThread>(ThreadOptions(config), &cloud->timeline_,
                                                           cloud->exposition_->lateness());
  const engine::EngineOptions options{.max_sequences = config.limits.max_sequences,
                                      .hold_time_for_readers = config.clock.stepped};
  WL_ASSIGN_OR_RETURN(
      cloud->engine_,
      engine::Engine::Create(options, &cloud->timeline_, std::move(lanes),
                             {cloud->exposition_->observer(), cloud->thread_->observer()}));
  cloud->waker_->ForwardTo(cloud->thread_.get());
  cloud->thread_->Start(cloud->engine_.get());
  return cloud;
}

Cloud::~Cloud() {
  Stop();
  engine_.reset();
  models_.clear();  // ends the threads that may still wake the engine's
}

void Cloud::Stop() {
  if (thread_ != nullptr) thread_->Stop();
}

std::vector<metrics::ComputeFigures> Cloud::compute() const {
  std::vector<metrics::ComputeFigures> all;
  for (const HostedModel& model : models_) {
    if (model.plane == nullptr) continue;
    const plane::PlaneCounters counters = model.plane->counters();
    metrics::ComputeFigures figures{.model = model.served->name,
                                    .decode_steps = counters.decode_steps,
                                    .decode_rows = counters.decode_rows,
                                    .prefill_tokens = counters.prefill_tokens,
                                    .drafted_tokens = counters.drafted_tokens,
                                    .accepted_tokens = counters.accepted_tokens,
                                    .live_sequences = counters.live_sequences,
                                    .kv_reserved = counters.kv_reserved,
                                    .prefill_kv = counters.prefill_kv,
                                    .expert_tokens = counters.expert_tokens};
    for (const link::LinkBytes& hop : counters.activation_bytes) {
      figures.activations.push_back(Bytes(static_cast<int64_t>(hop.payload)));
    }
    all.push_back(std::move(figures));
  }
  return all;
}

std::optional<engine::LaneIndex> Cloud::LaneOf(const std::string& model) const {
  const auto found =
      std::find_if(models_.begin(), models_.end(),
                   [&model](const HostedModel& hosted) { return hosted.served->name == model; });
  if (found == models_.end()) return std::nullopt;
  return engine::LaneIndex{static_cast<uint32_t>(found - models_.begin())};
}

}  // namespace waferline::app
