// Gauges, and the laws that hold after every event.
#include "scheduler/engine/snapshot.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "scheduler/engine/engine_impl.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::engine {

std::string DigestText(uint64_t digest) {
  return absl::StrCat(absl::Hex(digest, absl::kZeroPad16));
}

EngineSnapshot Merged(std::vector<EngineSnapshot> engines) {
  WL_CHECK(!engines.empty());
  EngineSnapshot all = std::move(engines[0]);
  for (size_t i = 1; i < engines.size(); ++i) {
    EngineSnapshot& engine = engines[i];
    all.now = std::max(all.now, engine.now);
    all.accepted += engine.accepted;
    all.finished += engine.finished;
    all.in_flight += engine.in_flight;
    all.refused += engine.refused;
    all.tokens += engine.tokens;
    all.events += engine.events;
    all.digest = Mix(all.digest ^ engine.digest);
    all.last_decision = std::max(all.last_decision, engine.last_decision);
    all.blocked = all.blocked || engine.blocked;
    all.draining = all.draining || engine.draining;
    std::move(engine.lanes.begin(), engine.lanes.end(), std::back_inserter(all.lanes));
  }
  return all;
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
    l.now = now();
    l.waiting = queues_[lane].waiting();
    l.prefilling = sequences().in_phase(lane, Phase::kPrefill);
    l.transferring = sequences().in_phase(lane, Phase::kTransfer);
    l.decoding = sequences().in_phase(lane, Phase::kDecode);
    l.parked = emitter_.parked(lane);
    if (prefill_.AnyAlive(lane) && decode_.AnyUsable(lane)) {
      l.expected_queue = ExpectedQueue(lane, policy::kAnyTier);
    }
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
  CheckTierLaws();
}

}  // namespace waferline::engine
