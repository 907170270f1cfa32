// The engine: wires its parts and runs the loop over events. Each part owns what it changes:
//   SequenceTable  the requests in flight, by slot
//   LaneQueue      those that wait, one queue a lane
//   PrefillPool    workers: memory, caches, steps
//   HandoffLedger  KV over the links: flows, leases, reachability
//   DecodePool     units: room, beats, batch steps
//   TierUse        what each tier of a lane has promised
//   TokenEmitter   a token's way out, and full readers
// What they have to tell each other passes through here, by their listeners. One file for each
// story:
//   engine_impl.cc  calls from outside and the loop
//   admit.cc        arrival -> Admitted, or refused
//   dispatch.cc     Admitted -> Prefilling: a worker, room on a unit
//   tiers.cc        which tier of units a sequence waits for
//   progress.cc     Prefilling -> Prefilled -> Resident
//   finish.cc       Outcome, restarts
//   faults.cc       hardware that changes
//   snapshot.cc     gauges, laws
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "scheduler/engine/decode_pool.h"
#include "scheduler/engine/engine.h"
#include "scheduler/engine/engine_context.h"
#include "scheduler/engine/event_payload.h"
#include "scheduler/engine/handoff_ledger.h"
#include "scheduler/engine/lane_queue.h"
#include "scheduler/engine/prefill_pool.h"
#include "scheduler/engine/tier_use.h"
#include "scheduler/engine/token_emitter.h"

namespace waferline::engine {

inline constexpr uint32_t kMaxSequences = 1 << kIndexBits;  // exclusive

class EngineImpl final : public Engine,
                         private EventTarget,
                         private PrefillPool::Listener,
                         private HandoffLedger::Listener,
                         private TokenEmitter::Listener {
 public:
  EngineImpl(const EngineOptions& options, Timeline* timeline, std::vector<LaneSpec> lanes,
             std::vector<EngineObserver*> observers);
  ~EngineImpl() override;

  void Submit(Ticket ticket, ValidRequest request) override;
  void Cancel(Ticket ticket) override;
  void Resume(Ticket ticket) override;
  Pause RunUntil(Nanoseconds limit) override;
  Nanoseconds next_instant() const override { return context_.timeline->next_instant(); }
  void GiveUpOnReaders() override;
  void EndOverdue(Nanoseconds now) override;
  void Drain() override { draining_ = true; }
  void EndDrain() override { draining_ = false; }
  uint32_t Abort(const RequestName& name, const absl::Status& status) override;
  void AbortAll(const absl::Status& status) override;
  absl::Status Check(const Fault& fault) const override;
  absl::Status Apply(const Fault& fault) override;
  void ResetPrefixCaches() override;
  uint64_t in_flight() const override { return accepted_ - finished_; }
  uint64_t digest() const override { return context_.log.digest(); }
  EngineSnapshot Snapshot() const override;
  void CheckLaws() const override;

 private:
  enum class Kind : uint8_t { kDeadline };
  using Payload = EventPayload<Kind>;

  // What the prompts of a lane found in prefix caches.
  struct CacheUse {
    int64_t queried = 0;
    int64_t hit = 0;
  };

  // engine_impl.cc
  void OnEvent(uint64_t word) override;  // a deadline
  void EndByDeadline(SlotIndex slot);
  bool SettleDue();
  void DispatchDirty();
  Nanoseconds now() const { return context_.now(); }
  SequenceTable& sequences() { return context_.sequences; }
  const SequenceTable& sequences() const { return context_.sequences; }
  const LaneSpec& LaneOf(SlotIndex slot) const {
    return context_.lanes[sequences().hot(slot).lane];
  }

  // admit.cc
  void Arrive(SlotIndex slot);
  void Refuse(SlotIndex slot, policy::RefusalCause cause, Nanoseconds retry_after);
  void RefuseWithoutSlot(Ticket ticket, const ValidRequest& request, LaneIndex lane,
                         policy::RefusalCause cause);
  policy::AdmissionSnapshot AdmissionView(SlotIndex slot) const;
  Nanoseconds ExpectedQueue(LaneIndex lane, const policy::TierChoice& tiers) const;
  // Nanoseconds from its prefill's begin to its last token, undisturbed; huge without a device.
  double ServiceTime(SlotIndex slot, const policy::TierChoice& tiers) const;
  Nanoseconds ExpectedService(SlotIndex slot) const;
  void Enqueue(SlotIndex slot);

  // dispatch.cc
  enum class Placing : uint8_t { kPlaced, kNoRoom, kNoWorker };  // kPlaced: look again
  void Dispatch(LaneIndex lane);
  Placing PlaceFront(SlotIndex slot);
  bool Preempt(SlotIndex slot);
  void StartOnWorker(SlotIndex slot, WorkerIndex worker, std::optional<Room> room);
  void StartOnUnit(SlotIndex slot, Room room);
  void StartWithRemoteKv(SlotIndex slot, Room room);
  void LeaveQueue(SlotIndex slot);
  void RecordLookup(SlotIndex slot, uint32_t cached_tokens);

  // tiers.cc
  policy::TierChoice ChooseTier(SlotIndex slot) const;
  Room TakeRoom(UnitIndex unit, SlotIndex slot);  // on a unit that Pick gave
  void CheckTierLaws() const;

  // progress.cc
  void SetPhase(SlotIndex slot, Phase phase);
  void AfterEmission(SlotIndex slot);
  void AfterPrefill(SlotIndex slot);
  void FindRoomForWaiting(LaneIndex lane);
  void FindRoomFor(std::deque<SequenceRef>* of_tier, LaneIndex lane);
  void BecomeResidentIfComplete(SlotIndex slot);
  void BecomeResident(SlotIndex slot, Resident resident);
  void OnPrefillStart(SlotIndex slot) override { SetPhase(slot, Phase::kPrefill); }
  void OnLayersComputed(SlotIndex slot, uint32_t end, int layers) override;
  void OnChunkComputed(SlotIndex slot, int layers) override;
  void OnFlowArrived(SlotIndex slot) override { BecomeResidentIfComplete(slot); }

  // finish.cc
  void OnLeaseExpired(SlotIndex slot) override { Restart(slot, RestartCause::kLeaseExpired); }
  void OnOver(SlotIndex slot, FinishReason reason, absl::Status status) override;
  void OnValueFailed(SlotIndex slot, absl::Status status) override;
  void Restart(SlotIndex slot, RestartCause cause);
  // Everything that it holds, whatever its stage, except the slot.
  TokenEmitter::Reader ReleaseResources(SlotIndex slot);

  // faults.cc
  void ApplyToWorker(const Fault& fault, WorkerIndex worker);
  void ApplyToUnit(const Fault& fault, UnitIndex unit);
  void LoseWorker(WorkerIndex worker);
  void LoseUnit(UnitIndex unit);

  EngineContext context_;
  std::unordered_map<std::string, LaneIndex> lane_by_model_;
  IndexedVector<LaneIndex, LaneQueue> queues_;
  PrefillPool prefill_;
  HandoffLedger handoffs_;
  TokenEmitter emitter_;
  DecodePool decode_;
  IndexedVector<LaneIndex, TierUse> tiers_;
  // Prefilled without room, by the tier that they wait for, in order.
  IndexedVector<LaneIndex, std::array<std::deque<SequenceRef>, kUnitTiers>> awaiting_room_;
  IndexedVector<LaneIndex, CacheUse> cache_use_;
  bool draining_ = false;
  bool blocked_ = false;

  uint64_t accepted_ = 0;
  uint64_t finished_ = 0;
  uint64_t refused_ = 0;
  uint64_t last_sequence_id_ = 0;
};

}  // namespace waferline::engine
