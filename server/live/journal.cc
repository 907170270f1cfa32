#include "server/live/journal.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/strings.h"

namespace waferline::live {
namespace {

// By FinishReason.
constexpr const char* kEnds[] = {"stop", "length", "cancelled", "deadline", "failed"};

size_t Index(engine::Phase phase) { return static_cast<size_t>(phase); }

RequestRecord RecordOf(const engine::SequenceInfo& sequence) {
  const ValidRequest& request = *sequence.request;
  RequestRecord record{.id = request.request_id,
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
    ring_.push_back(value);
  } else {
    ring_[count_ % kMaxSamples] = value;
  }
  ++count_;
}

Quantiles Journal::Samples::Take() {
  Quantiles out{.count = std::exchange(count_, 0)};
  std::vector<Nanoseconds> sorted = std::exchange(ring_, {});
  if (sorted.empty()) return out;
  std::sort(sorted.begin(), sorted.end());
  out.p50 = sorted[sorted.size() / 2];
  out.p99 = sorted[sorted.size() * 99 / 100];
  return out;
}

Activity Journal::Look() {
  Activity out;
  for (Lane& lane : lanes_) {
    out.lanes.push_back(lane.activity);
    out.lanes.back().first_token = lane.first_token.Take();
    out.lanes.back().gap = lane.gap.Take();
  }
  for (auto it = live_.rbegin(); it != live_.rend() && out.requests.size() < kMaxListed; ++it) {
    out.requests.push_back(it->second);
  }
  out.requests.insert(out.requests.end(), ended_.begin(), ended_.end());
  return out;
}

RequestRecord* Journal::Find(engine::SlotIndex slot) {
  return slot.value < by_slot_.size() ? by_slot_[slot.value] : nullptr;
}

void Journal::KeepEnded(RequestRecord record) {
  ended_.push_front(std::move(record));
  if (ended_.size() > kMaxEnded) ended_.pop_back();
}

void Journal::OnRefused(const engine::SequenceInfo& sequence, policy::RefusalCause cause,
                        Nanoseconds /*retry_after*/) {
  if (sequence.lane.value >= lanes_.size()) return;
  ++lanes_[sequence.lane.value].activity.refused;
  RequestRecord record = RecordOf(sequence);
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
  by_slot_[sequence.slot.value] = &record;
}

void Journal::OnPhase(const engine::SequenceInfo& sequence, engine::Phase from, Nanoseconds lasted,
                      engine::Phase phase) {
  RequestRecord* const record = Find(sequence.slot);
  if (record == nullptr) return;
  record->lasted[Index(from)] += lasted;
  record->since += lasted;
  record->phase = phase;
}

void Journal::OnToken(const engine::TokenInfo& token) {
  Lane& lane = lanes_[token.lane.value];
  ++lane.activity.tokens;
  (token.index == 0 ? lane.first_token : lane.gap).Add(token.gap);
  RequestRecord* const record = Find(token.slot);
  if (record == nullptr) return;
  record->tokens = token.index + 1;
  if (token.index == 0) record->first_token = token.at;
}

void Journal::OnOutcome(const engine::OutcomeInfo& info) {
  const Outcome& outcome = *info.outcome;
  ++lanes_[info.sequence.lane.value].activity.finished;
  const auto it = live_.find(info.sequence.ordinal);
  if (it == live_.end()) return;
  RequestRecord record = std::move(it->second);
  live_.erase(it);
  by_slot_[info.sequence.slot.value] = nullptr;
  record.lasted = {outcome.times.queue, outcome.times.prefill, outcome.times.transfer,
                   outcome.times.decode};
  record.ended = record.arrival + outcome.times.total();
  record.tokens = outcome.generated_tokens;
  record.end = kEnds[static_cast<size_t>(outcome.reason)];
  record.why = std::string(Std(outcome.status.message()));
  KeepEnded(std::move(record));
}

void Journal::OnRestart(const engine::SequenceInfo& sequence, engine::RestartCause /*cause*/) {
  if (RequestRecord* const record = Find(sequence.slot)) ++record->restarts;
}

}  // namespace waferline::live
