#include "scheduler/engine/lane_queue.h"

#include "scheduler/policy/order.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {
namespace {

int64_t OutputCharge(const Sequence& s, const HotSequence& hot) {
  return (s.request.max_tokens - hot.generated) * policy::kOutputTokenCharge;
}
int64_t FullCharge(const Sequence& s, const HotSequence& hot) {
  return s.prefill_total * policy::kPromptTokenCharge + OutputCharge(s, hot);
}

WaitQueue EmptyQueue(bool fair_tenants, const SequenceTable* sequences) {
  return {fair_tenants, [sequences](const WaitQueue::Entry& entry) {
            return sequences->IsCurrent(entry.sequence) &&
                   std::holds_alternative<Admitted>((*sequences)[entry.sequence.slot].stage);
          }};
}

}  // namespace

LaneQueue::LaneQueue(const LaneSpec& lane, const SequenceTable* sequences)
    : sequences_(sequences),
      queues_{EmptyQueue(lane.order.fair_tenants, sequences),
              EmptyQueue(lane.order.fair_tenants, sequences)} {
  for (size_t c = 0; c < places_.size(); ++c) {
    places_[c] = std::make_unique<PlacePool>(Places(lane.admission.max_waiting[c]));
  }
}

PlacePool::Lease LaneQueue::TakePlace(policy::QueueClass queue_class) {
  return *places_[static_cast<size_t>(queue_class)]->Take(Places(1));
}

uint32_t LaneQueue::places_taken(policy::QueueClass queue_class) const {
  return static_cast<uint32_t>(places_[static_cast<size_t>(queue_class)]->used().count());
}

void LaneQueue::Push(SlotIndex slot) {
  const Sequence& s = (*sequences_)[slot];
  ++waiting_[static_cast<size_t>(s.queue_class)];
  waiting_tokens_ += s.prefill_total;
  QueueOf(s).Push(s.request.tenant,
                  {s.order_key, sequences_->hot(slot).ordinal, sequences_->RefOf(slot)});
}

std::optional<SlotIndex> LaneQueue::Front(const std::array<bool, kUnitTiers>& tiers) const {
  const WaitQueue::Entry* first = nullptr;
  for (size_t tier = 0; tier < tiers.size(); ++tier) {
    const WaitQueue::Entry* const front = tiers[tier] ? queues_[tier].Front() : nullptr;
    if (front != nullptr && (first == nullptr || *first > *front)) first = front;
  }
  return first == nullptr ? std::nullopt : std::optional(first->sequence.slot);
}

size_t LaneQueue::size(const policy::TierChoice& tiers) const {
  size_t size = 0;
  for (const UnitTier tier : {UnitTier::kFast, UnitTier::kSlow}) {
    if (tiers.Allows(tier)) size += queues_[static_cast<size_t>(tier)].live();
  }
  return size;
}

void LaneQueue::Uncount(const Sequence& s) {
  --waiting_[static_cast<size_t>(s.queue_class)];
  waiting_tokens_ -= s.prefill_total;
}

void LaneQueue::PopFront(SlotIndex front) {
  const Sequence& s = (*sequences_)[front];
  QueueOf(s).PopFront(FullCharge(s, sequences_->hot(front)));
  Uncount(s);
}

void LaneQueue::Remove(const Sequence& s) {
  Uncount(s);
  QueueOf(s).OnEntryStale();
}

void LaneQueue::RefundRest(const Sequence& s, const HotSequence& hot) {
  QueueOf(s).Refund(s.request.tenant, OutputCharge(s, hot));
}

void LaneQueue::RefundAll(const Sequence& s, const HotSequence& hot) {
  QueueOf(s).Refund(s.request.tenant, FullCharge(s, hot));
}

void LaneQueue::CheckLaws(LaneIndex lane) const {
  std::array<uint32_t, policy::kQueueClasses> waiting{};
  sequences_->ForEach([&](SlotIndex slot) {
    const Sequence& s = (*sequences_)[slot];
    if (sequences_->hot(slot).lane != lane || !std::holds_alternative<Admitted>(s.stage)) return;
    ++waiting[static_cast<size_t>(s.queue_class)];
  });
  WL_CHECK(waiting == waiting_);
  for (size_t c = 0; c < places_.size(); ++c) {
    WL_CHECK(places_[c]->used() <= Places(waiting[c]));
  }
}

}  // namespace waferline::engine
