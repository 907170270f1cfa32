#include "server/app/cloud.h"

#include <algorithm>
#include <utility>

#include "server/app/door_security.h"
#include "server/live/layout.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/check.h"
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
    for (const ShardMemory& stage : unit.memory) {
      if (stage.kv_per_page == Bytes()) continue;  // it holds weights alone
      pages = std::min(pages, stage.kv_capacity() / stage.kv_per_page);
    }
    // As blocks of the prefix caches, which is what routers count in.
    lane.page_tokens = Tokens(model.Lane().block_tokens);
    lane.kv_pages += pages * unit.memory.front().page_tokens.count() / lane.page_tokens.count();
  }
  return lane;
}

metrics::ComputeFigures FiguresOf(const std::string& model, const plane::ComputedSource& plane) {
  const plane::PlaneCounters counters = plane.counters();
  metrics::ComputeFigures figures{.model = model,
                                  .decode_steps = counters.decode_steps,
                                  .decode_rows = counters.decode_rows,
                                  .prefill_tokens = counters.prefill_tokens,
                                  .drafted_tokens = counters.drafted_tokens,
                                  .accepted_tokens = counters.accepted_tokens,
                                  .moved_sequences = counters.moved_sequences,
                                  .live_sequences = counters.live_sequences,
                                  .kv_reserved = counters.kv_reserved,
                                  .prefill_kv = counters.prefill_kv,
                                  .expert_tokens = counters.expert_tokens};
  for (size_t cause = 0; cause < plane::kLossCauses.size(); ++cause) {
    figures.host_recoveries.emplace_back(plane::kLossCauses[cause],
                                         counters.host_recoveries[cause]);
  }
  for (const plane::ChainFigures& chain : counters.chains) {
    // Its shards may be up without a worker that computes prompts.
    const bool lacks_prefill =
        chain.state == plane::ChainState::kUp && chain.outage_lasts > Nanoseconds(0);
    figures.chains.push_back({.state = lacks_prefill ? 0 : static_cast<int>(chain.state),
                              .generation = chain.generation,
                              .silence = chain.silence,
                              .outage = chain.outage_lasts});
  }
  for (const link::LinkBytes& hop : counters.activation_bytes) {
    figures.activations.push_back(Bytes(static_cast<int64_t>(hop.payload)));
  }
  for (const link::LinkBytes& shard : counters.expert_bytes) {
    figures.expert_rows.push_back(Bytes(static_cast<int64_t>(shard.payload)));
  }
  for (const link::LinkBytes& worker : counters.feed_forward_bytes) {
    figures.feed_forward_rows.push_back(Bytes(static_cast<int64_t>(worker.payload)));
  }
  return figures;
}

// A beat computes the tokens of a draft too and gives at least one. A pipeline's beat holds the
// entry for at most the latency over the depth, which is rounded down.
int64_t WaferNsOf(const engine::LaneSpec& lane, const engine::DecodeUnitSpec& unit) {
  const Tokens context(lane.context);
  const engine::Speculation& draft = unit.speculation ? *unit.speculation : lane.speculation;
  const auto width = static_cast<int>(draft.acceptance.size()) + 1;
  if (unit.pipeline != nullptr) {
    return unit.pipeline->Latency(context).count() / unit.pipeline->depth(context) * width *
           unit.devices;
  }
  return unit.wafers == 0 ? 0 : unit.batch->StepTime(1, context, width).count() * unit.wafers;
}

}  // namespace

std::vector<engine::LaneSpec> Cloud::EngineHost::Lanes() const {
  std::vector<engine::LaneSpec> lanes;
  for (const HostedModel& model : models) lanes.push_back(model.Lane());
  return lanes;
}

absl::StatusOr<std::unique_ptr<Cloud>> Cloud::Build(const config::ServerConfig& config,
                                                    const StandbyPools& standbys) {
  auto cloud = std::unique_ptr<Cloud>(new Cloud());
  WL_RETURN_IF_ERROR(cloud->LoadModels(config, standbys));
  WL_RETURN_IF_ERROR(cloud->StartEngines(config));
  return cloud;
}

absl::Status Cloud::LoadModels(const config::ServerConfig& config, const StandbyPools& standbys) {
  std::vector<std::shared_ptr<const text::ServedModel>> served;
  std::shared_ptr<tls::Credentials> links;
  if (config.tls && config.tls->links) {
    WL_ASSIGN_OR_RETURN(links, LinkCredentials(*config.tls, tls::Role::kFrontend));
  }
  for (const config::ModelConfig& model : config.models) {
    if (hosts_.empty() || !config.clock.stepped) hosts_.emplace_back();
    EngineHost& host = hosts_.back();
    const auto spares = standbys.find(model.lane.model);
    const ModelSite site{.timeline = &host.timeline,
                         .waker = &host.waker,
                         .created_unix_s = runtime::UnixSeconds(),
                         .links = links,
                         .standbys = spares == standbys.end() ? nullptr : spares->second};
    WL_ASSIGN_OR_RETURN(HostedModel hosted, LoadHostedModel(model, site));
    served.push_back(hosted.served);
    live_faults_.try_emplace(hosted.served->name, hosted.devices.get(),
                             engine::LaneIndex{static_cast<uint32_t>(host.models.size())});
    int64_t& most = wafer_ns_per_token_[hosted.served->name];
    const engine::LaneSpec lane = hosted.Lane();
    for (const auto& unit : lane.units) most = std::max(most, WaferNsOf(lane, unit));
    host.models.push_back(std::move(hosted));
  }
  catalog_ = std::make_unique<text::ModelCatalog>(std::move(served));
  return absl::OkStatus();
}

absl::Status Cloud::StartEngines(const config::ServerConfig& config) {
  std::vector<std::vector<metrics::MeteredLane>> metered;
  for (const EngineHost& host : hosts_) {
    auto& lanes = metered.emplace_back();
    for (const HostedModel& model : host.models) lanes.push_back(Metered(model));
  }
  exposition_ = std::make_unique<metrics::Exposition>(metered);
  std::vector<std::vector<std::string>> models;
  for (const EngineHost& host : hosts_) {
    auto& names = models.emplace_back();
    for (const HostedModel& model : host.models) names.push_back(model.served->name);
  }
  WL_ASSIGN_OR_RETURN(kv_publishers_, KvPublishers::Start(config.kv_events, models));
  const engine::EngineOptions options{.max_sequences = config.limits.max_sequences,
                                      .hold_time_for_readers = config.clock.stepped};
  std::vector<runtime::EngineGroup::Member> members;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    EngineHost& host = hosts_[i];
    runtime::EngineThreadOptions thread_options = ThreadOptions(config);
    thread_options.tickets = runtime::EngineGroup::TicketsOf(i, hosts_.size());
    live::Journal& journal = journals_.emplace_back(host.models.size());
    runtime::LatenessObserver& lateness = lateness_.emplace_back(
        std::vector{exposition_->lateness(i), static_cast<runtime::LatenessObserver*>(&journal)});
    host.thread =
        std::make_unique<runtime::EngineThread>(thread_options, &host.timeline, &lateness);
    WL_ASSIGN_OR_RETURN(host.engine, engine::Engine::Create(options, &host.timeline, host.Lanes(),
                                                            {exposition_->observer(i), &journal,
                                                             kv_publishers_->observer(i),
                                                             host.thread->observer(), &phases_}));
    members.push_back({.thread = host.thread.get(), .models = models[i]});
  }
  engines_ = std::make_unique<runtime::EngineGroup>(std::move(members));
  for (EngineHost& host : hosts_) {
    host.waker.ForwardTo(host.thread.get());
    host.thread->Start(host.engine.get());
  }
  return absl::OkStatus();
}

Cloud::~Cloud() {
  Stop();
  for (EngineHost& host : hosts_) {
    host.engine.reset();
    host.models.clear();  // ends the threads that may still wake the engine's
  }
}

void Cloud::Stop() {
  if (engines_ != nullptr) engines_->Stop();
}

std::vector<metrics::ComputeFigures> Cloud::compute() const {
  std::vector<metrics::ComputeFigures> all;
  for (const EngineHost& host : hosts_) {
    for (const HostedModel& model : host.models) {
      if (model.plane != nullptr) all.push_back(FiguresOf(model.served->name, *model.plane));
    }
  }
  return all;
}

std::string Cloud::OutageOf(const std::string& model) const {
  const auto place = PlaceOf(model);
  if (!place) return "";
  const plane::ComputedSource* plane = hosts_[place->engine].models[place->lane.value].plane;
  return plane == nullptr ? "" : plane->counters().outage;
}

std::string Cloud::DamageOf(const std::string& model) const {
  const auto place = PlaceOf(model);
  if (!place) return "";
  const plane::ComputedSource* plane = hosts_[place->engine].models[place->lane.value].plane;
  return plane == nullptr ? "" : plane->counters().damage;
}

absl::Status Cloud::JoinChain(const std::string& model, const config::WorkerChain& chain) {
  const auto place = PlaceOf(model);
  WL_CHECK(place.has_value());
  const HostedModel& hosted = hosts_[place->engine].models[place->lane.value];
  WL_CHECK(hosted.join != nullptr);
  return hosted.join(chain);
}

std::string Cloud::LayoutJson() const {
  std::vector<live::LayoutModel> models;
  for (const EngineHost& host : hosts_) {
    for (const HostedModel& model : host.models) {
      models.push_back({.name = model.served->name,
                        .label = model.served->origin_label,
                        .computed = model.served->origin == text::TokenOrigin::kComputed,
                        .devices = model.devices.get()});
    }
  }
  return live::LayoutJson(models);
}

std::optional<ModelPlace> Cloud::PlaceOf(const std::string& model) const {
  for (size_t host = 0; host < hosts_.size(); ++host) {
    const std::vector<HostedModel>& models = hosts_[host].models;
    for (size_t lane = 0; lane < models.size(); ++lane) {
      if (models[lane].served->name == model)
        return ModelPlace{host, engine::LaneIndex{static_cast<uint32_t>(lane)}};
    }
  }
  return std::nullopt;
}

int64_t Cloud::WaferNsPerToken(const std::string& model) const {
  const auto found = wafer_ns_per_token_.find(model);
  return found == wafer_ns_per_token_.end() ? 0 : found->second;
}

ModelCapacity Cloud::CapacityOf(const std::string& name) const {
  ModelCapacity capacity;
  for (const EngineHost& host : hosts_) {
    for (const HostedModel& model : host.models) {
      if (model.served->name != name) continue;
      const metrics::MeteredLane lane = Metered(model);
      capacity = {.block_tokens = lane.page_tokens, .kv_blocks = lane.kv_pages};
      for (const auto& unit : model.Lane().units) capacity.max_running += unit.max_running;
    }
  }
  return capacity;
}

}  // namespace waferline::app
