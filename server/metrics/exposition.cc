#include "server/metrics/exposition.h"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "scheduler/policy/refusal_cause.h"
#include "server/metrics/front_series.h"
#include "server/metrics/lane_meter.h"
#include "server/metrics/snapshot_gauges.h"

namespace waferline::metrics {

class Exposition::Impl final : public engine::EngineObserver, public runtime::LatenessObserver {
 public:
  explicit Impl(const std::vector<MeteredLane>& lanes)
      : front_(registry_, NamesOf(lanes)), gauges_(registry_, lanes) {
    for (const MeteredLane& lane : lanes) meters_.Add(registry_, lane.model);
    for (int i = 0; i < policy::kRefusalCauses; ++i) {
      const auto cause = static_cast<policy::RefusalCause>(i);
      refused_.push_back({{AddCounter(registry_, "waferline_requests_refused_total",
                                      "Requests that were not admitted, by cause.",
                                      {{"cause", std::string(policy::Name(cause))}})}});
    }
    blocked_ = {
        {AddCounter(registry_, "waferline_host_blocked_seconds_total",
                    "Wall time for which emulated time stood still, waiting for values.", {})}};
  }

  FrontMetrics* front() { return &front_; }

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
  void OnTokenLateness(engine::LaneIndex lane, Nanoseconds wall) override {
    meters_[lane].lateness.Observe(wall);
  }
  void OnBlocked(Nanoseconds wall) override { blocked_.Add(ToSeconds(wall)); }

  void Flush() {
    for (LaneMeter& meter : meters_) meter.Flush();
    for (CounterBuffer& counter : refused_) counter.Flush();
    blocked_.Flush();
  }
  void SetGauges(const engine::EngineSnapshot& snapshot, const HostFigures& host) {
    gauges_.Set(snapshot, host);
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

 private:
  static std::vector<std::string> NamesOf(const std::vector<MeteredLane>& lanes) {
    std::vector<std::string> names;
    for (const MeteredLane& lane : lanes) names.push_back(lane.model);
    return names;
  }

  prometheus::Registry registry_;
  FrontSeries front_;
  SnapshotGauges gauges_;
  engine::IndexedVector<engine::LaneIndex, LaneMeter> meters_;
  std::vector<CounterBuffer> refused_;  // by cause
  CounterBuffer blocked_;
};

Exposition::Exposition(const std::vector<MeteredLane>& lanes)
    : impl_(std::make_unique<Impl>(lanes)) {}
Exposition::~Exposition() = default;
engine::EngineObserver* Exposition::observer() { return impl_.get(); }
runtime::LatenessObserver* Exposition::lateness() { return impl_.get(); }
FrontMetrics* Exposition::front() { return impl_->front(); }
void Exposition::Flush() { impl_->Flush(); }
void Exposition::SetGauges(const engine::EngineSnapshot& snapshot, const HostFigures& host) {
  impl_->SetGauges(snapshot, host);
}
std::string Exposition::Text() const { return impl_->Text(); }

}  // namespace waferline::metrics
