#include "scheduler/engine/handoff_ledger.h"

#include "wafer_backend/base/check.h"

namespace waferline::engine {

HandoffLedger::HandoffLedger(EngineContext* context, Listener* listener)
    : context_(context), listener_(listener), handoffs_(context->sequences.size()) {
  context_->lanes.ForEachIndex([this](LaneIndex lane) {
    DeviceIndex index;
    for (const DecodeUnitSpec& unit : context_->lanes[lane].units) {
      routes_.Add(Route{unit.link, lane, index});
      ++index.value;
    }
  });
}

Bytes HandoffLedger::BytesUntil(SlotIndex slot, uint32_t position) const {
  const uint32_t moved_to = handoffs_[slot].moved_to;
  if (position <= moved_to) return Bytes();
  return context_->lanes[context_->sequences.hot(slot).lane].kv_bytes_per_token *
         (position - moved_to);
}

void HandoffLedger::Move(SlotIndex slot, uint32_t position) {
  const Bytes bytes = BytesUntil(slot, position);
  if (position > handoffs_[slot].moved_to) handoffs_[slot].moved_to = position;
  MoveBytes(slot, bytes);
}

void HandoffLedger::MoveAllButLastLayer(SlotIndex slot, uint32_t position, int layers) {
  const Bytes all = BytesUntil(slot, position);
  MoveBytes(slot, all - all / layers);
}

void HandoffLedger::MoveLastLayer(SlotIndex slot, uint32_t position, int layers) {
  const Bytes bytes = BytesUntil(slot, position);
  if (position > handoffs_[slot].moved_to) handoffs_[slot].moved_to = position;
  MoveBytes(slot, bytes / layers);
}

void HandoffLedger::MoveBytes(SlotIndex slot, Bytes bytes) {
  const Route& route = RouteOf(slot);
  if (route.link == nullptr || bytes <= Bytes()) return;
  Handoff& handoff = handoffs_[slot];
  const SequenceRef sequence = context_->sequences.RefOf(slot);
  ++handoff.flows_open;
  handoff.flows.push_back(route.link->Start(
      bytes, this, Payload{Kind::kFlowArrived, slot.value, sequence.generation}.word()));
  context_->observers.Notify(
      [&](EngineObserver& o) { o.OnTransfer(route.lane, route.index, bytes); });
  handoff.lease.started += bytes;
  if (handoff.lease.scheduled) return;
  handoff.lease.could_move = true;
  ScheduleHeartbeat(sequence, context_->lanes[route.lane].limits.heartbeat);
}

void HandoffLedger::ScheduleHeartbeat(SequenceRef sequence, Nanoseconds heartbeat) {
  handoffs_[sequence.slot].lease.scheduled = true;
  context_->timeline->Schedule(
      context_->now() + heartbeat, Priority::kPolicy, this,
      Payload{Kind::kHeartbeat, sequence.slot.value, sequence.generation}.word());
}

void HandoffLedger::OnEvent(uint64_t word) {
  const Payload payload = Payload::Of(word);
  const SequenceRef sequence{SlotIndex{payload.index}, payload.generation};
  if (!context_->sequences.IsCurrent(sequence)) return;
  if (payload.kind == Kind::kHeartbeat) return OnHeartbeat(sequence);
  WL_CHECK(handoffs_[sequence.slot].flows_open > 0);
  --handoffs_[sequence.slot].flows_open;
  listener_->OnFlowArrived(sequence.slot);
}

void HandoffLedger::OnHeartbeat(SequenceRef sequence) {
  Handoff& handoff = handoffs_[sequence.slot];
  handoff.lease.scheduled = false;
  if (handoff.flows_open == 0) return;  // all has arrived; what moves next schedules another
  const Route& route = RouteOf(sequence.slot);
  Renew(&handoff, *route.link);
  const LaneLimits& limits = context_->lanes[route.lane].limits;
  if (handoff.lease.lost >= limits.lost_heartbeats) {
    SetReachable(route.link, false);
    return listener_->OnLeaseExpired(sequence.slot);
  }
  ScheduleHeartbeat(sequence, limits.heartbeat);
}

void HandoffLedger::Renew(Handoff* handoff, const KvLink& link) {
  Lease& lease = handoff->lease;
  Bytes left;
  for (const KvLink::Transfer flow : handoff->flows) left += link.Left(flow);
  const Bytes moved = lease.started - left;
  // What is sent arrives: the link's latency is not a standstill.
  const bool moves = moved > lease.moved || left == Bytes();
  if (moves || lease.could_move) lease.lost = moves ? 0 : lease.lost + 1;
  lease.could_move = left > Bytes();
  lease.moved = moved;
}

void HandoffLedger::SetReachable(const KvLink* link, bool reachable) {
  ++routes_version_;
  for (Route& route : routes_) {
    if (route.link != link) continue;
    route.reachable = reachable;
    context_->dirty.Mark(route.lane);
  }
  if (!reachable) return;
  handoffs_.ForEachIndex([&](SlotIndex slot) {
    if (handoffs_[slot].flows_open == 0 || RouteOf(slot).link != link) return;
    handoffs_[slot].lease.lost = 0;
    handoffs_[slot].lease.could_move = false;
  });
}

void HandoffLedger::Stop(SlotIndex slot) {
  Handoff& handoff = handoffs_[slot];
  if (handoff.flows_open > 0) {
    for (const KvLink::Transfer flow : handoff.flows) RouteOf(slot).link->Cancel(flow);
  }
  handoff.flows.clear();  // keeps its memory for the slot's next sequence
  handoff.flows_open = 0;
  handoff.moved_to = 0;
  handoff.lease = {};
}

}  // namespace waferline::engine
