// Gauges, and the laws that hold after every event.
#include "scheduler/engine/snapshot.h"

#include "absl/strings/str_cat.h"
#include "scheduler/engine/engine_state.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {
namespace {

std::vector<Nanoseconds> BusyOfStages(const DecodeUnitSpec& unit) {
  std::vector<Nanoseconds> busy;
  if (unit.pipeline == nullptr) return busy;
  for (int i = 0; i < unit.pipeline->stage_count(); ++i) {
    busy.push_back(unit.pipeline->StageBusy(i));
  }
  return busy;
}

}  // namespace

std::string DigestText(uint64_t digest) {
  return absl::StrCat(absl::Hex(digest, absl::kZeroPad16));
}

EngineSnapshot EngineState::Snapshot() const {
  EngineSnapshot snapshot;
  snapshot.now = now();
  snapshot.accepted = accepted_;
  snapshot.finished = finished_;
  snapshot.in_flight = in_flight();
  snapshot.refused = refused_;
  snapshot.tokens = tokens_;
  snapshot.events = events_;
  snapshot.digest = digest_;
  snapshot.last_decision = last_decision_;
  snapshot.blocked = blocked_;
  snapshot.draining = draining_;
  for (const Lane& lane : lanes_) {
    LaneSnapshot& l = snapshot.lanes.emplace_back();
    l.model = lane.spec.model;
    l.waiting = lane.waiting;
    l.prefilling = lane.in_phase[static_cast<size_t>(Phase::kPrefill)];
    l.transferring = lane.in_phase[static_cast<size_t>(Phase::kTransfer)];
    l.decoding = lane.in_phase[static_cast<size_t>(Phase::kDecode)];
    l.parked = lane.parked;
    l.expected_queue = ExpectedQueue(lane);
    for (const uint32_t w : lane.workers) {
      const Worker& worker = workers_[w];
      l.workers.push_back(
          {worker.spec.name, worker.alive, worker.stepping, worker.pending_tokens,
           worker.cache ? worker.cache->pages().count() * lane.spec.block_tokens : 0});
    }
    for (const uint32_t u : lane.units) {
      const Unit& unit = units_[u];
      const Pages cached = unit.cache ? unit.cache->pages() : Pages();
      const PagePool& pages = unit.ledger->pages();
      l.units.push_back(
          {unit.spec.name, unit.alive, unit.reachable, static_cast<int>(unit.seats->used().count()),
           unit.spec.max_running, (pages.used() - cached).count(), cached.count(),
           pages.capacity().count(), unit.ledger->Occupancy(),
           unit.spec.link != nullptr ? unit.spec.link->backlog() : Bytes(), BusyOfStages(unit.spec),
           unit.kv.most().count(), unit.kv.AreaUntil(now())});
    }
  }
  return snapshot;
}

void EngineState::CheckLaws() const {
  uint32_t occupied = 0;
  std::vector<Pages> pages(units_.size());
  std::vector<int64_t> seats(units_.size());
  std::vector<Tokens> memory(workers_.size());
  std::vector<std::array<uint32_t, kPhases>> phases(lanes_.size());
  std::vector<std::array<uint32_t, policy::kQueueClasses>> waiting(lanes_.size());
  for (uint32_t slot = 0; slot < hot_.size(); ++slot) {
    const Sequence& s = sequences_[slot];
    if (std::holds_alternative<std::monostate>(s.stage)) continue;
    ++occupied;
    ++phases[hot_[slot].lane][static_cast<size_t>(s.phase)];
    if (std::holds_alternative<Admitted>(s.stage)) {
      ++waiting[hot_[slot].lane][static_cast<size_t>(s.queue_class)];
    }
    if (const auto* p = std::get_if<Prefilling>(&s.stage)) {
      if (p->worker != Prefilling::kOnUnit) memory[p->worker] += p->memory.amount();
    }
    if (const auto* p = std::get_if<Prefilled>(&s.stage)) {
      memory[p->worker] += p->memory.amount();
    }
    if (const Room* room = RoomOf(s.stage)) {
      pages[room->unit] += room->pages.amount();
      seats[room->unit] += room->seat.amount().count();
    }
  }
  WL_CHECK(accepted_ == finished_ + occupied);
  WL_CHECK(occupied == occupied_);
  WL_CHECK(slot_of_ticket_.size() == occupied_);
  WL_CHECK(free_slots_.size() + occupied_ == hot_.size());
  for (size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    const PagePool& pool = unit.ledger->pages();
    WL_CHECK(pool.used() == pages[u] + (unit.cache ? unit.cache->pages() : Pages()));
    WL_CHECK(pool.used() <= pool.capacity());
    WL_CHECK(unit.kv.held() == pages[u]);
    WL_CHECK(unit.seats->used().count() == seats[u]);
    for (const StageOccupancy& stage : unit.ledger->Occupancy()) {
      WL_CHECK(stage.weights + stage.buffers + stage.kv_used <= stage.capacity);
    }
  }
  for (size_t w = 0; w < workers_.size(); ++w) {
    WL_CHECK(workers_[w].memory->used() == memory[w]);
    WL_CHECK(workers_[w].pending_tokens >= 0);
    WL_CHECK(!workers_[w].active.empty() || workers_[w].stepping ||
             workers_[w].pending_tokens == 0);
  }
  for (size_t i = 0; i < lanes_.size(); ++i) {
    WL_CHECK(lanes_[i].in_phase == phases[i]);
    WL_CHECK(lanes_[i].waiting == waiting[i]);
    for (int c = 0; c < policy::kQueueClasses; ++c) {
      WL_CHECK(lanes_[i].places[c]->used() <= Places(waiting[i][c]));
    }
  }
}

}  // namespace waferline::engine
