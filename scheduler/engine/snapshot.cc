// Gauges, and the laws that hold after every event.
#include "scheduler/engine/snapshot.h"

#include "absl/strings/str_cat.h"
#include "scheduler/engine/engine_impl.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {

std::string DigestText(uint64_t digest) {
  return absl::StrCat(absl::Hex(digest, absl::kZeroPad16));
}

EngineSnapshot EngineImpl::Snapshot() const {
  EngineSnapshot snapshot;
  snapshot.now = now();
  snapshot.accepted = accepted_;
  snapshot.finished = finished_;
  snapshot.in_flight = in_flight();
  snapshot.refused = refused_;
  snapshot.tokens = emitter_.tokens();
  snapshot.events = context_.events;
  snapshot.digest = digest();
  snapshot.last_decision = context_.log.last_decision();
  snapshot.blocked = blocked_;
  snapshot.draining = draining_;
  context_.lanes.ForEachIndex([&](LaneIndex lane) {
    LaneSnapshot& l = snapshot.lanes.emplace_back();
    l.model = context_.lanes[lane].model;
    l.waiting = queues_[lane].waiting();
    l.prefilling = sequences().in_phase(lane, Phase::kPrefill);
    l.transferring = sequences().in_phase(lane, Phase::kTransfer);
    l.decoding = sequences().in_phase(lane, Phase::kDecode);
    l.parked = emitter_.parked(lane);
    l.expected_queue = ExpectedQueue(lane);
    l.workers = prefill_.Snapshot(lane);
    l.units = decode_.Snapshot(lane);
  });
  return snapshot;
}

void EngineImpl::CheckLaws() const {
  WL_CHECK(accepted_ == finished_ + sequences().occupied());
  sequences().CheckLaws();
  queues_.ForEachIndex([this](LaneIndex lane) { queues_[lane].CheckLaws(lane); });
  prefill_.CheckLaws();
  decode_.CheckLaws();
}

}  // namespace waferline::engine
