#include "scheduler/simulator/replay.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "scheduler/simulator/length_source.h"
#include "wafer_backend/base/seeded_stream.h"
#include "wafer_backend/base/status.h"

namespace waferline::simulator {
namespace {

// A third of what 64 bits of nanoseconds hold: instants may be added up without a second look.
constexpr double kMaxRunSeconds = 3e9;

class ReplayRun final : public Replay, private EventTarget {
 public:
  ReplayRun(const ReplayOptions& options, Timeline* timeline, const Trace* trace)
      : options_(options), timeline_(timeline), trace_(trace), tally_(options.objectives) {}

  absl::Status Start(std::vector<engine::LaneSpec> lanes);

  bool Advance(Nanoseconds slice) override {
    const Nanoseconds limit = timeline_->now() + slice;
    const bool more = engine_->RunUntil(limit) == engine::Engine::Pause::kLimit;
    if (more) timeline_->AdvanceTo(limit);
    return more;
  }
  uint64_t offered() const override { return tally_.report.requests; }
  uint64_t total() const override { return trace_->requests.size() * uint64_t{options_.repeat}; }
  uint64_t tokens() const override { return tally_.report.output_tokens; }
  const engine::Engine& engine() const override { return *engine_; }
  Report MakeReport(const std::vector<LanePower>& power) override;

 private:
  // Events: the next arrival, or fault number payload - 1.
  static constexpr uint64_t kArrival = 0;
  void OnEvent(uint64_t payload) override {
    last_event_ = timeline_->now();
    if (payload == kArrival) {
      Offer();
    } else {
      // Was checked in Start: what may fail then is not there.
      (void)engine_->Apply(options_.faults[payload - 1].fault);
    }
  }
  Nanoseconds ArrivalAt(uint64_t index) const {
    return begin_ + ArrivalOf(*trace_, index, options_.speed_up);
  }
  void Offer();
  absl::Status NameModels(const std::vector<engine::LaneSpec>& lanes);
  absl::Status CheckFaults();
  DeviceUse UseOfWorker(engine::LaneIndex lane, engine::DeviceIndex worker, double window_ns) const;
  DeviceUse UseOfUnit(engine::LaneIndex lane, engine::DeviceIndex index,
                      const engine::UnitSnapshot& state, double window_ns) const;

  const ReplayOptions options_;
  Timeline* const timeline_;
  const Trace* const trace_;
  LengthSource source_;
  Tally tally_;
  std::vector<engine::LaneSpec> lanes_;
  std::unique_ptr<engine::Engine> engine_;
  std::vector<std::string> models_;  // of the lanes, by the trace's index
  std::vector<uint64_t> salts_;      // of the trace's tenants
  Nanoseconds begin_;
  Nanoseconds last_event_;
  uint64_t next_ = 0;
};

absl::Status ReplayRun::Start(std::vector<engine::LaneSpec> lanes) {
  if (!(options_.speed_up > 0 && options_.speed_up <= 1e9)) {
    return absl::InvalidArgumentError("speed_up must be above 0 and at most 1e9");
  }
  if (options_.repeat < 1) return absl::InvalidArgumentError("repeat must be at least 1");
  const double run_seconds = ToSeconds(trace_->span) * options_.repeat / options_.speed_up;
  if (run_seconds > kMaxRunSeconds) {
    return absl::InvalidArgumentError(absl::StrCat("the run would take ", run_seconds,
                                                   " s of emulated time; ", kMaxRunSeconds,
                                                   " s are the most: repeat less, or speed up"));
  }
  if (lanes.empty()) return absl::InvalidArgumentError("the fleet serves no model");
  for (engine::LaneSpec& lane : lanes) {
    bool caches = false;
    for (const auto& worker : lane.workers) caches |= worker.cache_tokens > Tokens();
    for (const auto& unit : lane.units) caches |= unit.prefix_cache;
    if (caches && trace_->block_tokens != 0 && lane.block_tokens != trace_->block_tokens) {
      return absl::InvalidArgumentError(
          absl::StrCat("model \"", lane.model, "\": block_tokens is ", lane.block_tokens,
                       ", but the trace's blocks have ", trace_->block_tokens));
    }
    lane.values = &source_;
    lane.keep_ids = false;
  }
  WL_RETURN_IF_ERROR(NameModels(lanes));
  for (const std::string& tenant : trace_->tenants) salts_.push_back(SaltOf(tenant, ""));
  lanes_ = lanes;
  std::vector<engine::EngineObserver*> observers = options_.observers;
  observers.insert(observers.begin(), &tally_);
  auto engine =
      engine::Engine::Create(options_.engine, timeline_, std::move(lanes), std::move(observers));
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  if (absl::Status s = CheckFaults(); !s.ok()) return s;

  begin_ = timeline_->now();
  for (size_t i = 0; i < options_.faults.size(); ++i) {
    timeline_->Schedule(begin_ + options_.faults[i].at, Priority::kFault, this, i + 1);
  }
  timeline_->Schedule(ArrivalAt(0), Priority::kArrival, this, kArrival);
  return absl::OkStatus();
}

absl::Status ReplayRun::NameModels(const std::vector<engine::LaneSpec>& lanes) {
  const auto check = [&lanes](const std::string& model) {
    const bool served = std::any_of(lanes.begin(), lanes.end(),
                                    [&](const auto& lane) { return lane.model == model; });
    if (served) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("model \"", model, "\" must be one of the fleet's: ",
                     absl::StrJoin(lanes, ", ", [](std::string* out, const engine::LaneSpec& lane) {
                       out->append(lane.model);
                     })));
  };
  std::string unnamed = options_.default_model;
  if (unnamed.empty()) unnamed = lanes.front().model;
  WL_RETURN_IF_ERROR(check(unnamed));
  for (const std::string& model : trace_->models) {
    const bool used =
        std::any_of(trace_->requests.begin(), trace_->requests.end(),
                    [&](const TraceRequest& r) { return trace_->models[r.model] == model; });
    if (used && !model.empty()) WL_RETURN_IF_ERROR(check(model));
    models_.push_back(model.empty() ? unnamed : model);
  }
  return absl::OkStatus();
}

absl::Status ReplayRun::CheckFaults() {
  for (size_t i = 0; i < options_.faults.size(); ++i) {
    const TimedFault& timed = options_.faults[i];
    if (timed.at < Nanoseconds()) {
      return absl::InvalidArgumentError(absl::StrCat("fault ", i, " lies before the start"));
    }
    if (absl::Status s = engine_->Check(timed.fault); !s.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("fault ", i, ": ", s.message()));
    }
  }
  return absl::OkStatus();
}

void ReplayRun::Offer() {
  const uint64_t index = next_++;
  if (next_ < total()) {
    timeline_->Schedule(ArrivalAt(next_), Priority::kArrival, this, kArrival);
  }
  const uint64_t repetition = index / trace_->requests.size();
  const TraceRequest& from = trace_->requests[index % trace_->requests.size()];
  ++tally_.report.requests;
  ValidRequest request;
  request.model = models_[from.model];
  request.tenant = trace_->tenants[from.tenant];
  // A repetition is the same load from other people: its prompts are found in no cache.
  const uint64_t salt = salts_[from.tenant] ^ (repetition == 0 ? 0 : Mix(repetition));
  request.outline = std::make_shared<const PromptOutline>(
      OutlineOf(from.prompt_tokens, trace_->block_tokens,
                std::span(trace_->block_ids).subspan(from.first_block, from.blocks), salt));
  request.sampling.seed = SeedOf(options_.seed, index);
  request.max_tokens = from.output_tokens;
  request.tier = from.tier;
  request.priority = from.priority;
  if (from.deadline > Nanoseconds()) request.deadline = from.deadline;
  engine_->Submit(Ticket{index + 1}, std::move(request));
}

DeviceUse ReplayRun::UseOfWorker(engine::LaneIndex lane, engine::DeviceIndex worker,
                                 double window_ns) const {
  const engine::LaneSpec& spec = lanes_[lane.value];
  const Tally::Busy busy = tally_.worker(lane, worker);
  return {.model = spec.model,
          .name = spec.workers[worker.value].name,
          .kind = "prefill",
          .busy_share = busy.busy.as_double() / window_ns,
          .tokens = busy.tokens};
}

DeviceUse ReplayRun::UseOfUnit(engine::LaneIndex lane, engine::DeviceIndex index,
                               const engine::UnitSnapshot& state, double window_ns) const {
  const engine::LaneSpec& spec = lanes_[lane.value];
  const engine::DecodeUnitSpec& unit = spec.units[index.value];
  const auto capacity = static_cast<double>(state.pages_capacity);
  DeviceUse use{.model = spec.model,
                .name = unit.name,
                .tier = unit.tier == UnitTier::kFast ? "fast" : "slow",
                .kv_share = state.page_nanoseconds / window_ns / capacity,
                .max_kv_share = static_cast<double>(state.max_pages_used) / capacity};
  if (unit.pipeline != nullptr) {
    use.kind = "wafer";
    for (int s = 0; s < unit.pipeline->stage_count(); ++s) {
      use.stage_share.push_back(unit.pipeline->StageBusy(s).as_double() / window_ns);
      use.busy_share = std::max(use.busy_share, use.stage_share.back());
    }
    use.tokens = unit.pipeline->entered();
  } else {
    const Tally::Busy busy = tally_.batch(lane, index);
    use.kind = state.sides.has_value() ? "split" : "gpu";
    use.busy_share = busy.busy.as_double() / window_ns;
    use.tokens = busy.tokens;
  }
  if (state.sides.has_value()) {
    for (const Nanoseconds side : state.sides->busy) {
      use.side_share.push_back(side.as_double() / window_ns);
    }
    use.bytes = state.sides->crossed.as_double();
  }
  return use;
}

Report ReplayRun::MakeReport(const std::vector<LanePower>& power) {
  Report report = tally_.report;
  const engine::EngineSnapshot end = engine_->Snapshot();
  report.begin = begin_;
  report.end = std::max(end.last_decision, last_event_);
  report.events = end.events;
  report.digest = end.digest;
  report.trace_hash = trace_->hash;
  report.seed = options_.seed;
  report.speed_up = options_.speed_up;
  report.repeat = options_.repeat;
  const double window = std::max(1.0, (report.end - report.begin).as_double());
  const auto power_of = [](const std::vector<DevicePower>& list, size_t i) {
    return i < list.size() ? list[i] : DevicePower();
  };
  std::set<const KvLink*> links;
  const auto charge = [&report](int devices, Nanoseconds charged) {
    DeviceUse& use = report.devices.back();
    use.devices = devices;
    use.charged_ns = charged.count() * devices;
    use.idle_ns = (report.end - report.begin).count() * devices - use.charged_ns;
  };
  for (uint32_t i = 0; i < lanes_.size(); ++i) {
    const engine::LaneIndex lane{i};
    const LanePower lane_power = i < power.size() ? power[i] : LanePower();
    for (uint32_t w = 0; w < lanes_[i].workers.size(); ++w) {
      report.devices.push_back(UseOfWorker(lane, {w}, window));
      report.devices.back().power = power_of(lane_power.workers, w);
      charge(lanes_[i].workers[w].devices, end.lanes[i].workers[w].charged);
    }
    for (uint32_t u = 0; u < lanes_[i].units.size(); ++u) {
      report.devices.push_back(UseOfUnit(lane, {u}, end.lanes[i].units[u], window));
      report.devices.back().power = power_of(lane_power.units, u);
      charge(lanes_[i].units[u].devices, end.lanes[i].units[u].charged);
      const KvLink* const link = lanes_[i].units[u].link;
      if (link == nullptr || !links.insert(link).second) continue;
      report.devices.push_back({.model = lanes_[i].model,
                                .name = absl::StrCat("link-", links.size() - 1),
                                .kind = "link",
                                .busy_share = link->busy().as_double() / window,
                                .bytes = link->moved().as_double()});
    }
  }
  return report;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Replay>> Replay::Create(const ReplayOptions& options,
                                                       Timeline* timeline,
                                                       std::vector<engine::LaneSpec> lanes,
                                                       const Trace* trace) {
  auto run = std::make_unique<ReplayRun>(options, timeline, trace);
  if (absl::Status s = run->Start(std::move(lanes)); !s.ok()) return s;
  return run;
}

}  // namespace waferline::simulator
