// The sequences of a lane that wait for prefill: bounded by class, ordered by the lane's policy, a
// queue for each tier of units. Tenants are treated fairly within a tier.
//
// Owner: the engine; outlives every place that it has given. Thread: the engine's. Bound: the
// places of each class, plus restarted sequences, which were let in already.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "scheduler/engine/lane.h"
#include "scheduler/engine/sequence_table.h"
#include "scheduler/engine/wait_queue.h"

namespace waferline::engine {

class LaneQueue {
 public:
  LaneQueue(const LaneSpec& lane, const SequenceTable* sequences);

  // Admission has found a free one.
  PlacePool::Lease TakePlace(policy::QueueClass queue_class);
  uint32_t places_taken(policy::QueueClass queue_class) const;

  // An Admitted sequence begins to wait, with prefill_total tokens to compute.
  void Push(SlotIndex slot);
  // The first of the fronts of these tiers' queues, by key.
  std::optional<SlotIndex> Front(const std::array<bool, kUnitTiers>& tiers) const;
  // The sequence that Front has just given is taken for service: its tenant is charged for all of
  // it.
  void PopFront(SlotIndex front);
  // A sequence that waited has ended; it is not current any more.
  void Remove(const Sequence& sequence);
  // Gives a tenant back what its sequence was charged for and will not get: tokens that are not
  // generated, after a restart its prompt too.
  void RefundRest(const Sequence& sequence, const HotSequence& hot);
  void RefundAll(const Sequence& sequence, const HotSequence& hot);

  size_t size(const policy::TierChoice& tiers) const;
  const std::array<uint32_t, policy::kQueueClasses>& waiting() const { return waiting_; }
  int64_t waiting_tokens() const { return waiting_tokens_; }
  // Places and counts are what the lane's sequences say; a violation fails a check.
  void CheckLaws(LaneIndex lane) const;

 private:
  WaitQueue& QueueOf(const Sequence& sequence) {
    return queues_[static_cast<size_t>(sequence.waits_for.tier)];
  }
  void Uncount(const Sequence& sequence);

  const SequenceTable* const sequences_;
  // By the tier waited for; looking at the front drops entries of ended sequences.
  mutable std::array<WaitQueue, kUnitTiers> queues_;
  std::array<std::unique_ptr<PlacePool>, policy::kQueueClasses> places_;
  std::array<uint32_t, policy::kQueueClasses> waiting_{};
  int64_t waiting_tokens_ = 0;  // of prompts
};

}  // namespace waferline::engine
