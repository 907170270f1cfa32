#include "server/metrics/exposition.h"

#include <deque>

#include "scheduler/policy/refusal_cause.h"
#include "server/metrics/front_series.h"
#include "server/metrics/lane_meter.h"
#include "server/metrics/snapshot_gauges.h"

namespace waferline::metrics {

namespace {

// What one engine and its thread report.
class EngineMeter final : public engine::EngineObserver, public runtime::LatenessObserver {
 public:
  EngineMeter(Families& families, const std::vector<MeteredLane>& lanes) {
    for (const MeteredLane& lane : lanes) meters_.Add(families, lane.model);
    for (int i = 0; i < policy::kRefusalCauses; ++i) {
      const auto cause = static_cast<policy::RefusalCause>(i);
      refused_.push_back({{AddCounter(families, "waferline_requests_refused_total",
                                      "Requests that were not admitted, by cause.",
                                      {{"cause", std::string(policy::Name(cause))}})}});
    }
    blocked_ = {
        {AddCounter(families, "waferline_host_blocked_seconds_total",
                    "Wall time for which emulated time stood still, waiting for values.", {})}};
  }

  void OnRefused(const engine::SequenceInfo&, policy::RefusalCause cause, Nanoseconds) override {
    refused_[static_cast<size_t>(cause)].Add();  // its lane may not exist: unknown model
  }
  void OnAdmitted(const engine::SequenceInfo& info) override { meters_[info.lane].admitted.Add(); }
  void OnToken(const engine::TokenInfo& token) override {
    LaneMeter& meter = meters_[token.lane];
    meter.generated_tokens.Add();
    (token.index == 0 ? meter.first_token : meter.inter_token).Observe(token.gap);
  }
  void OnOutcome(const engine::OutcomeInfo& info) override {
    meters_[info.sequence.lane].OnOutcome(info);
  }
  void OnRestart(const engine::SequenceInfo& info, engine::RestartCause cause) override {
    meters_[info.lane].restarts[static_cast<size_t>(cause)].Add();
  }
  void OnCacheLookup(engine::LaneIndex lane, Tokens queried, Tokens hit) override {
    meters_[lane].cache_queried.Add(queried.as_double());
    meters_[lane].cache_hit.Add(hit.as_double());
  }
  void OnPrefillStep(engine::LaneIndex lane, engine::DeviceIndex, Tokens tokens,
                     Nanoseconds lasts) override {
    meters_[lane].prefill_tokens.Add(tokens.as_double());
    meters_[lane].prefill_busy_seconds.Add(ToSeconds(lasts));
  }
  void OnTransfer(engine::LaneIndex lane, engine::DeviceIndex, Bytes bytes) override {
    meters_[lane].transferred_bytes.Add(bytes.as_double());
  }
  void OnTokenLateness(const engine::TokenInfo& token, Nanoseconds wall) override {
    meters_[token.lane].lateness.Observe(wall);
  }
  void OnBlocked(Nanoseconds wall) override { blocked_.Add(ToSeconds(wall)); }

  void Flush() {
    for (LaneMeter& meter : meters_) meter.Flush();
    for (CounterBuffer& counter : refused_) counter.Flush();
    blocked_.Flush();
  }

 private:
  engine::IndexedVector<engine::LaneIndex, LaneMeter> meters_;
  std::vector<CounterBuffer> refused_;  // by cause
  CounterBuffer blocked_;
};

std::vector<MeteredLane> Concatenated(const std::vector<std::vector<MeteredLane>>& engines) {
  std::vector<MeteredLane> all;
  for (const auto& lanes : engines) all.insert(all.end(), lanes.begin(), lanes.end());
  return all;
}

std::vector<std::string> NamesOf(const std::vector<MeteredLane>& lanes) {
  std::vector<std::string> names;
  for (const MeteredLane& lane : lanes) names.push_back(lane.model);
  return names;
}

}  // namespace

class Exposition::Impl {
 public:
  explicit Impl(const std::vector<std::vector<MeteredLane>>& engines)
      : front(families, NamesOf(Concatenated(engines))), gauges(families, Concatenated(engines)) {
    for (const auto& lanes : engines) meters.emplace_back(families, lanes);
  }

  Families families;
  FrontSeries front;
  SnapshotGauges gauges;
  std::deque<EngineMeter> meters;  // by engine
};

Exposition::Exposition(const std::vector<std::vector<MeteredLane>>& engines)
    : impl_(std::make_unique<Impl>(engines)) {}
Exposition::~Exposition() = default;
engine::EngineObserver* Exposition::observer(size_t engine) { return &impl_->meters.at(engine); }
runtime::LatenessObserver* Exposition::lateness(size_t engine) { return &impl_->meters.at(engine); }
FrontMetrics* Exposition::front() { return &impl_->front; }
void Exposition::Flush(size_t engine) { impl_->meters.at(engine).Flush(); }
void Exposition::SetGauges(const engine::EngineSnapshot& snapshot, const HostFigures& host,
                           const std::vector<std::string>& names) {
  impl_->gauges.Set(snapshot, host, names);
}
std::string Exposition::Text(const std::vector<std::string>& names) const {
  return impl_->families.Text(names);
}

}  // namespace waferline::metrics
