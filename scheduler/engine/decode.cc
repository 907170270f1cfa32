// Decode: beats through a pipeline, or steps of a batch device. This is what runs for every token.
#include <algorithm>
#include <utility>

#include "scheduler/engine/engine_state.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::engine {
namespace {
// Names the stream of draws for speculation among those of a request's seed.
constexpr uint64_t kAcceptanceStream = 0x5bec;
constexpr uint64_t kMostDraft = 64;  // draws a token position has for itself
}  // namespace

// The sequence is ready for its next token at this instant.
void EngineState::EnterDecode(uint32_t slot) {
  HotSequence& hot = hot_[slot];
  if (hot.flags & HotSequence::kParked) {
    hot.flags |= HotSequence::kAwaitsEntry;
    return;
  }
  hot.kv_length = sequences_[slot].outline->tokens + hot.generated;
  if (units_[hot.unit].spec.pipeline != nullptr) {
    EnterBeat(slot);
    Arm();
  } else {
    units_[hot.unit].members.push_back({slot, hot.generation});
    StartBatchStep(hot.unit);
  }
}

void EngineState::EnterBeat(uint32_t slot) {
  const HotSequence& hot = hot_[slot];
  Unit& unit = units_[hot.unit];
  const Lane& lane = lanes_[hot.lane];
  Nanoseconds ready = now();
  if (lane.draft_width > 1) ready += lane.spec.speculation.draft_time;
  const DecodePipeline::Beat beat =
      unit.spec.pipeline->Enter(ready, Tokens(hot.kv_length), lane.draft_width);
  beats_.Insert({beat.leaves.count(), slot, hot.generation});
}

// One event of the timeline stands for the whole agenda: the first beat's. It is scheduled anew
// when an earlier one comes; the old one finds itself outdated.
void EngineState::Arm() {
  if (beats_.empty() || beats_.front().leaves_ns >= armed_ns_) return;
  armed_ns_ = beats_.front().leaves_ns;
  timeline_->Schedule(Nanoseconds(armed_ns_), Priority::kDevice, this, Payload(Kind::kBeat, 0, 0));
}

// Beats are taken as long as nothing else on the timeline comes before them: the agenda of the
// timeline is touched once for a run of beats, with the same order as if each were in it.
void EngineState::OnBeat() {
  int64_t now_ns = now().count();
  if (armed_ns_ != now_ns) return;
  armed_ns_ = kNotArmed;
  // An upper bound for running ahead; nothing scheduled meanwhile may lie before it unnoticed, so
  // the timeline is asked again for each beat.
  for (;;) {
    const BeatAgenda::Beat beat = beats_.front();
    beats_.PopFront();
    if (!DeliverBeat(beat)) break;
    if (beats_.empty()) return;
    const int64_t next_ns = beats_.front().leaves_ns;
    if (next_ns != now_ns) {
      if (any_dirty_ || held_readers_ > 0 || next_ns > limit_.count()) break;
      if (!timeline_->empty() && timeline_->next_instant().count() <= next_ns) break;
      timeline_->AdvanceTo(Nanoseconds(next_ns));
      now_ns = next_ns;
    }
    ++events_;
  }
  Arm();
}

uint32_t EngineState::TokensOfBeat(uint32_t slot) const {
  const Speculation& speculation = lanes_[hot_[slot].lane].spec.speculation;
  const SeededStream draws =
      SeededStream(sequences_[slot].request.sampling.seed).Fork(kAcceptanceStream);
  uint32_t accepted = 0;
  for (const double p : speculation.acceptance) {
    if (draws.UniformAt(hot_[slot].generated * kMostDraft + accepted) >= p) break;
    ++accepted;
  }
  return std::min(1 + accepted, hot_[slot].max_tokens - hot_[slot].generated);
}

// False: the rest of the agenda has to wait, because time stands still or someone else is due.
bool EngineState::DeliverBeat(const BeatAgenda::Beat& beat) {
  HotSequence& hot = hot_[beat.slot];
  if (hot.generation != beat.generation) return true;  // ended meanwhile
  const bool plain = !(hot.flags & HotSequence::kPrefillsHere) && lanes_[hot.lane].draft_width == 1;
  if (!plain) {
    const uint32_t tokens = hot.flags & HotSequence::kPrefillsHere ? 1 : TokensOfBeat(beat.slot);
    due_.push_back({beat.slot, beat.generation, tokens});
    return false;
  }
  switch (Emit(beat.slot)) {
    case Emission::kGoOn:
      if (hot.flags & HotSequence::kParked) {
        hot.flags |= HotSequence::kAwaitsEntry;
      } else {
        ++hot.kv_length;
        EnterBeat(beat.slot);
      }
      return true;
    case Emission::kOver:
      return true;
    case Emission::kPending:
      due_.push_back({beat.slot, beat.generation, 1});
      return false;
  }
  return true;
}

void EngineState::StartBatchStep(uint32_t u) {
  Unit& unit = units_[u];
  if (unit.stepping || !unit.alive) return;
  std::erase_if(unit.members, [this](const Worker::Entry& e) { return !Lives(e); });
  if (unit.members.empty()) return;
  int64_t kv_total = 0;
  unit.in_step = unit.members;
  for (const Worker::Entry& e : unit.in_step) kv_total += hot_[e.slot].kv_length;
  const Lane& lane = lanes_[unit.lane];
  Nanoseconds lasts = unit.spec.batch->StepTime(static_cast<int>(unit.in_step.size()),
                                                Tokens(kv_total), lane.draft_width);
  if (lane.draft_width > 1) lasts += lane.spec.speculation.draft_time;
  lasts = std::max(lasts, Nanoseconds(1));
  unit.stepping = true;
  ++unit.step_generation;
  observers_.Notify([&](EngineObserver& o) {
    o.OnBatchStep(unit.lane, unit.index, static_cast<int>(unit.in_step.size()), lasts);
  });
  timeline_->Schedule(now() + lasts, Priority::kDevice, this,
                      Payload(Kind::kBatchStep, u, unit.step_generation));
}

void EngineState::OnBatchStep(uint32_t u, uint32_t generation) {
  Unit& unit = units_[u];
  if (generation != unit.step_generation) return;  // the unit was lost meanwhile
  unit.stepping = false;
  for (const Worker::Entry& e : unit.in_step) {
    if (!Lives(e)) continue;
    const uint32_t tokens = lanes_[unit.lane].draft_width > 1 ? TokensOfBeat(e.slot) : 1;
    due_.push_back({e.slot, e.generation, tokens});
  }
  due_.push_back({u, 0, 0});  // the next step, when all of them are out
}

}  // namespace waferline::engine
