#include "server/live/journal.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "wafer_backend/base/sample_summary.h"
#include "wafer_backend/base/strings.h"

namespace waferline::live {
namespace {

// By FinishReason.
constexpr const char* kEnds[] = {"stop", "length", "cancelled", "deadline", "failed"};

size_t Index(engine::Phase phase) { return static_cast<size_t>(phase); }

// Of the requests in this phase.
uint32_t& CountOf(TenantActivity& tenant, engine::Phase phase) {
  return phase == engine::Phase::kQueue ? tenant.waiting : tenant.running;
}

RequestRecord RecordOf(const engine::SequenceInfo& sequence) {
  const ValidRequest& request = *sequence.request;
  RequestRecord record{.id = request.request_id,
                       .choice = request.choice,
                       .tenant = request.tenant,
                       .lane = sequence.lane,
                       .ordinal = sequence.ordinal,
                       .max_tokens = request.max_tokens,
                       .arrival = sequence.arrival,
                       .since = sequence.arrival};
  if (request.prompt) record.prompt_tokens = static_cast<uint32_t>(request.prompt->size());
  return record;
}

}  // namespace

void Journal::Samples::Add(Nanoseconds value) {
  if (ring_.size() < kMaxSamples) {
    ring_.push_back(static_cast<double>(value.count()));
  } else {
    ring_[count_ % kMaxSamples] = static_cast<double>(value.count());
  }
  ++count_;
}

Quantiles Journal::Samples::Take() {
  const SampleSummary all = Summarize(std::exchange(ring_, {}));
  return {.count = std::exchange(count_, 0),
          .p50 = Nanoseconds(std::llround(all.median)),
          .p99 = Nanoseconds(std::llround(all.p99))};
}

Activity Journal::Look() {
  Activity out;
  for (Lane& lane : lanes_) {
    out.lanes.push_back(lane.activity);
    out.lanes.back().first_token = lane.first_token.Take();
    out.lanes.back().gap = lane.gap.Take();
    out.lanes.back().lateness = lane.lateness.Take();
    for (auto& [name, tenant] : lane.tenants) {
      TenantActivity& each = out.lanes.back().tenants.emplace_back(tenant.activity);
      each.first_token = tenant.first_token.Take();
      each.gap = tenant.gap.Take();
    }
  }
  for (auto it = live_.rbegin(); it != live_.rend() && out.requests.size() < kMaxListed; ++it) {
    out.requests.push_back(it->second);
  }
  out.requests.insert(out.requests.end(), ended_.begin(), ended_.end());
  return out;
}

Journal::Slot* Journal::Find(engine::SlotIndex slot) {
  if (slot.value >= by_slot_.size() || by_slot_[slot.value].record == nullptr) return nullptr;
  return &by_slot_[slot.value];
}

Journal::Tenant& Journal::TenantOf(Lane& lane, const std::string& name) {
  const auto found = lane.tenants.find(name);
  if (found != lane.tenants.end()) return found->second;
  const std::string label = lane.tenants.size() < kMaxTenants ? name : kOtherTenants;
  Tenant& tenant = lane.tenants[label];
  tenant.activity.tenant = label;
  return tenant;
}

void Journal::KeepEnded(RequestRecord record) {
  ended_.push_front(std::move(record));
  if (ended_.size() > kMaxEnded) ended_.pop_back();
}

void Journal::OnRefused(const engine::SequenceInfo& sequence, policy::RefusalCause cause,
                        Nanoseconds /*retry_after*/) {
  if (sequence.lane.value >= lanes_.size()) return;
  Lane& lane = lanes_[sequence.lane.value];
  ++lane.activity.refused;
  RequestRecord record = RecordOf(sequence);
  ++TenantOf(lane, record.tenant).activity.refused;
  record.ordinal = 0;
  record.ended = sequence.arrival;
  record.end = "refused";
  record.why = policy::Name(cause);
  KeepEnded(std::move(record));
}

void Journal::OnAdmitted(const engine::SequenceInfo& sequence) {
  RequestRecord& record = live_[sequence.ordinal];
  record = RecordOf(sequence);
  if (by_slot_.size() <= sequence.slot.value) by_slot_.resize(sequence.slot.value + 1);
  Tenant& tenant = TenantOf(lanes_[sequence.lane.value], record.tenant);
  ++tenant.activity.waiting;
  by_slot_[sequence.slot.value] = {.record = &record, .tenant = &tenant};
}

void Journal::OnPhase(const engine::SequenceInfo& sequence, engine::Phase from, Nanoseconds lasted,
                      engine::Phase phase) {
  Slot* const slot = Find(sequence.slot);
  if (slot == nullptr) return;
  slot->record->lasted[Index(from)] += lasted;
  slot->record->since += lasted;
  slot->record->phase = phase;
  --CountOf(slot->tenant->activity, from);
  ++CountOf(slot->tenant->activity, phase);
}

void Journal::OnToken(const engine::TokenInfo& token) {
  Lane& lane = lanes_[token.lane.value];
  ++lane.activity.tokens;
  (token.index == 0 ? lane.first_token : lane.gap).Add(token.gap);
  Slot* const slot = Find(token.slot);
  if (slot == nullptr) return;
  slot->record->tokens = token.index + 1;
  if (token.index == 0) slot->record->first_token = token.at;
  ++slot->tenant->activity.tokens;
  (token.index == 0 ? slot->tenant->first_token : slot->tenant->gap).Add(token.gap);
}

void Journal::OnOutcome(const engine::OutcomeInfo& info) {
  const Outcome& outcome = *info.outcome;
  ++lanes_[info.sequence.lane.value].activity.finished;
  const auto it = live_.find(info.sequence.ordinal);
  if (it == live_.end()) return;
  RequestRecord record = std::move(it->second);
  live_.erase(it);
  TenantActivity& tenant = by_slot_[info.sequence.slot.value].tenant->activity;
  ++tenant.finished;
  --CountOf(tenant, record.phase);
  by_slot_[info.sequence.slot.value] = {};
  record.lasted = {outcome.times.queue, outcome.times.prefill, outcome.times.transfer,
                   outcome.times.decode};
  record.ended = record.arrival + outcome.times.total();
  record.tokens = outcome.generated_tokens;
  record.end = kEnds[static_cast<size_t>(outcome.reason)];
  record.why = std::string(Std(outcome.status.message()));
  KeepEnded(std::move(record));
}

void Journal::OnRestart(const engine::SequenceInfo& sequence, engine::RestartCause /*cause*/) {
  if (Slot* const slot = Find(sequence.slot)) ++slot->record->restarts;
}

void Journal::OnTokenLateness(const engine::TokenInfo& token, Nanoseconds wall) {
  lanes_[token.lane.value].lateness.Add(wall);
  Slot* const slot = Find(token.slot);
  if (slot == nullptr) return;
  if (wall > kLate) ++slot->record->late_tokens;
  slot->record->max_lateness = std::max(slot->record->max_lateness, wall);
}

}  // namespace waferline::live
