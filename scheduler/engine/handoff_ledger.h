// KV on its way from the workers to the decode units: flows over the links, the leases that their
// heartbeats renew, and which units can be reached.
//
// Owner: the engine. Thread: the engine's. Bounds: a sequence has at most one flow for each chunk
// of its prompt, or two under Overlap::kLayer, and one heartbeat scheduled. Nothing moves over a
// unit without a link: its KV is there at once.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler/engine/engine_context.h"
#include "scheduler/engine/event_payload.h"
#include "wafer_backend/api/devices.h"

namespace waferline::engine {

class HandoffLedger final : private EventTarget {
 public:
  // Called from within the ledger's events.
  class Listener {
   public:
    // Bytes have arrived; IsComplete says whether more are under way.
    virtual void OnFlowArrived(SlotIndex slot) = 0;
    // No byte has moved for too many heartbeats: its unit is not reachable any more, and the
    // sequence has to give up its room.
    virtual void OnLeaseExpired(SlotIndex slot) = 0;

   protected:
    ~Listener() = default;
  };

  HandoffLedger(EngineContext* context, Listener* listener);

  // The sequence has room on a unit (HotSequence::unit), where the KV of the positions before
  // `position` is already.
  void Begin(SlotIndex slot, uint32_t position) { handoffs_[slot].moved_to = position; }
  // KV before `position` that has not moved yet starts to.
  void Move(SlotIndex slot, uint32_t position);
  // The same, of all layers but the last, and later of the last one.
  void MoveAllButLastLayer(SlotIndex slot, uint32_t position, int layers);
  void MoveLastLayer(SlotIndex slot, uint32_t position, int layers);
  bool IsComplete(SlotIndex slot) const { return handoffs_[slot].flows_open == 0; }
  // The unit has taken over.
  void Finish(SlotIndex slot) { handoffs_[slot].flows.clear(); }
  // What is under way is given up.
  void Stop(SlotIndex slot);

  bool reachable(UnitIndex unit) const { return routes_[unit].reachable; }
  // Rises when a unit becomes reachable or ceases to be.
  uint64_t routes_version() const { return routes_version_; }
  // Of all units behind the link. What stood still on one that is reachable again is not held
  // against it, or a heartbeat that is due would take it away with no repair to follow. Resident
  // sequences are not affected.
  void SetReachable(const KvLink* link, bool reachable);

 private:
  enum class Kind : uint8_t { kFlowArrived, kHeartbeat };
  using Payload = EventPayload<Kind>;

  // Renewed as long as bytes move (LaneLimits::heartbeat).
  struct Lease {
    Bytes started;
    Bytes moved;  // of those, at the last heartbeat
    uint32_t lost = 0;
    bool could_move = false;  // bytes were there, on a link as it is now, since the last heartbeat
    bool scheduled = false;   // the next heartbeat
  };
  struct Handoff {
    uint32_t moved_to = 0;  // positions before it are on the unit or on their way
    uint32_t flows_open = 0;
    std::vector<KvLink::Transfer> flows;
    Lease lease;
  };
  struct Route {
    KvLink* link = nullptr;
    LaneIndex lane;
    DeviceIndex index;  // of the unit in its lane
    bool reachable = true;
  };

  const Route& RouteOf(SlotIndex slot) const { return routes_[context_->sequences.hot(slot).unit]; }
  Bytes BytesUntil(SlotIndex slot, uint32_t position) const;
  void MoveBytes(SlotIndex slot, Bytes bytes);
  void ScheduleHeartbeat(SequenceRef sequence, Nanoseconds heartbeat);
  void OnEvent(uint64_t word) override;
  void OnHeartbeat(SequenceRef sequence);
  // Whether `handoff` has lost another heartbeat or moves.
  void Renew(Handoff* handoff, const KvLink& link);

  EngineContext* const context_;
  Listener* const listener_;
  IndexedVector<UnitIndex, Route> routes_;
  uint64_t routes_version_ = 0;
  IndexedVector<SlotIndex, Handoff> handoffs_;
};

}  // namespace waferline::engine
