// KV on its way from a worker to a decode unit: room first, then bytes over the link, then the unit
// takes over and the worker's copy is released. Room is held only as long as bytes move.
#include <algorithm>
#include <utility>

#include "scheduler/engine/engine_state.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {

// The prompt is computed and its first token is out.
void EngineState::AfterPrefill(uint32_t slot) {
  Sequence& s = sequences_[slot];
  s.stage = Prefilled(std::move(std::get<Prefilling>(s.stage)));
  SetPhase(slot, Phase::kTransfer);
  const auto& prefilled = std::get<Prefilled>(s.stage);
  if (!prefilled.has_room) {
    lanes_[hot_[slot].lane].awaiting_room.push_back({slot, hot_[slot].generation});
    FindRoomForWaiting(hot_[slot].lane);
    return;
  }
  Move(slot, s.prefill_total);
  BecomeResidentIfComplete(slot);
}

void EngineState::FindRoomForWaiting(uint32_t lane_index) {
  Lane& lane = lanes_[lane_index];
  while (!lane.awaiting_room.empty()) {
    const Worker::Entry entry = lane.awaiting_room.front();
    if (Lives(entry)) {
      Sequence& s = sequences_[entry.slot];
      const int unit = PickUnit(lane, s);
      if (unit < 0) return;
      auto& prefilled = std::get<Prefilled>(s.stage);
      prefilled.room = TakeRoom(unit, entry.slot);
      prefilled.has_room = true;
      s.moved_to = prefilled.room.prefix_tokens;
      Move(entry.slot, s.prefill_total);
      lane.spec.values->Activate(hot_[entry.slot].id);
    }
    lane.awaiting_room.pop_front();
    if (Lives(entry)) BecomeResidentIfComplete(entry.slot);
  }
}

// Positions up to `to_position` that are not on the unit yet go on their way.
void EngineState::Move(uint32_t slot, uint32_t to_position) {
  Sequence& s = sequences_[slot];
  if (to_position <= s.moved_to) return;
  const Bytes bytes = lanes_[hot_[slot].lane].spec.kv_bytes_per_token * (to_position - s.moved_to);
  s.moved_to = to_position;
  MoveBytes(slot, bytes);
}

void EngineState::MoveBytes(uint32_t slot, Bytes bytes) {
  Unit& unit = units_[hot_[slot].unit];
  if (unit.spec.link == nullptr || bytes <= Bytes()) return;
  Sequence& s = sequences_[slot];
  ++s.flows_open;
  s.flows.push_back(
      unit.spec.link->Start(bytes, this, Payload(Kind::kFlowArrived, slot, hot_[slot].generation)));
  observers_.Notify([&](EngineObserver& o) { o.OnTransfer(unit.lane, unit.index, bytes); });
  s.lease.started += bytes;
  if (std::exchange(s.lease.beats, true)) return;
  s.lease.could_move = true;
  timeline_->Schedule(now() + lanes_[unit.lane].spec.limits.heartbeat, Priority::kPolicy, this,
                      Payload(Kind::kHeartbeat, slot, hot_[slot].generation));
}

void EngineState::OnHeartbeat(uint32_t slot, uint32_t generation) {
  if (hot_[slot].generation != generation) return;
  Sequence& s = sequences_[slot];
  HandoffLease& lease = s.lease;
  lease.beats = false;
  if (s.flows_open == 0) return;  // all has arrived; what moves next begins to beat again
  const KvLink& link = *units_[hot_[slot].unit].spec.link;
  Bytes left;
  for (const KvLink::Transfer flow : s.flows) left += link.Left(flow);
  const Bytes moved = lease.started - left;
  // What is sent arrives: the link's latency is no standstill.
  const bool moves = moved > lease.moved || left == Bytes();
  if (moves || lease.could_move) lease.lost = moves ? 0 : lease.lost + 1;
  lease.could_move = left > Bytes();
  lease.moved = moved;
  const LaneLimits& limits = lanes_[hot_[slot].lane].spec.limits;
  if (lease.lost >= limits.lost_heartbeats) {
    SetReachable(&link, false);
    return Restart(slot, RestartCause::kLeaseExpired);
  }
  lease.beats = true;
  timeline_->Schedule(now() + limits.heartbeat, Priority::kPolicy, this,
                      Payload(Kind::kHeartbeat, slot, generation));
}

// Of all units behind the link. What stood still on one that is repaired is not held against it, or
// a heartbeat that is due would take it away again, with nobody left to repair it. Whoever is
// resident on one goes on there.
void EngineState::SetReachable(const KvLink* link, bool reachable) {
  for (Unit& unit : units_) {
    if (unit.spec.link != link) continue;
    unit.reachable = reachable;
    lanes_[unit.lane].dirty = any_dirty_ = true;
  }
  if (!reachable) return;
  for (uint32_t slot = 0; slot < hot_.size(); ++slot) {
    Sequence& s = sequences_[slot];
    if (s.flows_open == 0 || units_[hot_[slot].unit].spec.link != link) continue;
    s.lease.lost = 0;
    s.lease.could_move = false;
  }
}

void EngineState::OnFlowArrived(uint32_t slot, uint32_t generation) {
  if (hot_[slot].generation != generation) return;
  WL_CHECK(sequences_[slot].flows_open > 0);
  --sequences_[slot].flows_open;
  BecomeResidentIfComplete(slot);
}

void EngineState::BecomeResidentIfComplete(uint32_t slot) {
  Sequence& s = sequences_[slot];
  auto* prefilled = std::get_if<Prefilled>(&s.stage);
  if (prefilled == nullptr || !prefilled->has_room || s.flows_open > 0) return;
  s.flows.clear();
  s.stage = Resident(std::move(*prefilled));
  lanes_[hot_[slot].lane].dirty = any_dirty_ = true;  // the worker has memory again
  Mix(Decision::kResident, hot_[slot].ordinal, hot_[slot].unit);
  SetPhase(slot, Phase::kDecode);
  EnterDecode(slot);
}

void EngineState::StopFlows(uint32_t slot) {
  Sequence& s = sequences_[slot];
  if (s.flows_open > 0) {
    for (const KvLink::Transfer flow : s.flows) units_[hot_[slot].unit].spec.link->Cancel(flow);
  }
  s.flows.clear();
  s.flows_open = 0;
  s.lease = {};
}

}  // namespace waferline::engine
