// Beats through a pipeline, and steps of a batch unit.
#include <algorithm>

#include "scheduler/engine/decode_pool.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::engine {
namespace {
// Names the stream of draws for speculation among those of a request's seed.
constexpr uint64_t kAcceptanceStream = 0x5bec;
constexpr uint64_t kMaxDraft = 64;  // draws a token position has for itself
}  // namespace

// Runs for every token: a call would cost as much as what it does.
[[gnu::always_inline]] inline void DecodePool::EnterBeat(SlotIndex slot, const HotSequence& hot) {
  const Unit& unit = units_[hot.unit];
  const DecodePipeline::Beat beat = unit.pipeline->Enter(context_->now() + unit.draft_time,
                                                         Tokens(hot.kv_length), unit.draft_width);
  on_unit_[slot] += beat.occupies;
  beats_.Insert(beat.leaves.count(), {slot, hot.generation});
}

void DecodePool::EnterPrompt(SlotIndex slot) {
  HotSequence& hot = sequences_->hot(slot);
  const Sequence& s = (*sequences_)[slot];
  const uint32_t fresh = s.prefill_total - RoomOf(s.stage)->prefix_tokens;
  hot.flags |= HotSequence::kPrefillsHere;
  const DecodePipeline::Beat beat = units_[hot.unit].pipeline->Enter(
      context_->now(), Tokens(s.prefill_total), static_cast<int>(fresh));
  on_unit_[slot] += beat.occupies;
  beats_.Insert(beat.leaves.count(), sequences_->RefOf(slot));
  Arm();
}

void DecodePool::Enter(SlotIndex slot) {
  HotSequence& hot = sequences_->hot(slot);
  if (hot.flags & HotSequence::kParked) {
    hot.flags |= HotSequence::kAwaitsEntry;
    return;
  }
  const Sequence& s = (*sequences_)[slot];
  hot.kv_length = s.outline->tokens + hot.generated;
  draws_[slot].stream = SeededStream(s.request.sampling.seed).Fork(kAcceptanceStream);
  Unit& unit = units_[hot.unit];
  if (unit.pipeline != nullptr) {
    const bool has_values = context_->lanes[hot.lane].values->has_values();
    const bool wants_ids = (hot.flags & HotSequence::kRequestFlags) != 0;
    if (!has_values && !wants_ids && hot.sink == nullptr) hot.flags |= HotSequence::kPlain;
    EnterBeat(slot, hot);
    Arm();
  } else {
    unit.members.push_back(sequences_->RefOf(slot));
    StartStep(hot.unit);
  }
}

void DecodePool::Continue(SlotIndex slot) {
  HotSequence& hot = sequences_->hot(slot);
  hot.kv_length = (*sequences_)[slot].outline->tokens + hot.generated;
  Unit& unit = units_[hot.unit];
  if (hot.flags & HotSequence::kParked) {
    hot.flags |= HotSequence::kAwaitsEntry;
    std::erase_if(unit.members, [slot](const SequenceRef& ref) { return ref.slot == slot; });
    return;
  }
  if (unit.pipeline == nullptr) return;  // its unit's next step is due
  EnterBeat(slot, hot);
  Arm();
}

void DecodePool::Rejoin(SlotIndex slot) {
  const HotSequence& hot = sequences_->hot(slot);
  Unit& unit = units_[hot.unit];
  if (unit.pipeline != nullptr) return;
  unit.members.push_back(sequences_->RefOf(slot));
  context_->due.push_back(hot.unit);
}

// One event of the timeline stands for the whole agenda, at its first beat's instant. When an
// earlier beat comes, another event is scheduled; the stale event no longer matches armed_ns_ and
// is ignored.
void DecodePool::Arm() {
  if (beats_.empty() || beats_.front().leaves_ns >= armed_ns_) return;
  armed_ns_ = beats_.front().leaves_ns;
  context_->timeline->Schedule(Nanoseconds(armed_ns_), Priority::kDevice, this,
                               Payload{Kind::kBeat, 0, 0}.word());
}

void DecodePool::OnEvent(uint64_t word) {
  const Payload payload = Payload::Of(word);
  if (payload.kind == Kind::kBeat) return OnBeat();
  const UnitIndex unit{payload.index};
  if (payload.generation == units_[unit].step_generation) OnBatchStep(unit);  // else it was lost
}

// After `emitted` tokens of a beat, of which its reader may have parked some.
[[gnu::always_inline]] inline void DecodePool::GoOn(SlotIndex slot, uint32_t emitted,
                                                    HotSequence* hot) {
  if (hot->flags & HotSequence::kParked) {
    hot->flags |= HotSequence::kAwaitsEntry;
    return;
  }
  hot->kv_length += emitted;
  EnterBeat(slot, *hot);
}

// How many tokens a beat gives: the draft's first ones that are accepted, and the model's own.
uint32_t DecodePool::TokensOfBeat(SlotIndex slot) const {
  const HotSequence& hot = sequences_->hot(slot);
  const SeededStream& draws = draws_[slot].stream;
  uint32_t accepted = 0;
  for (const uint64_t bound : units_[hot.unit].acceptance) {
    if (!draws.BelowAt(hot.generated * kMaxDraft + accepted, bound)) break;
    ++accepted;
  }
  return std::min(1 + accepted, hot.max_tokens - hot.generated);
}

// A beat of a plain sequence between its first token and its last, which schedules nothing but the
// next one; false: the beat is not such.
[[gnu::always_inline]] inline bool DecodePool::DeliverPlain(SequenceRef sequence, bool alone) {
  const SlotIndex slot = sequence.slot;
  HotSequence& hot = sequences_->hot(slot);
  if (hot.generation != sequence.generation) return false;
  if ((hot.flags & HotSequence::kPlain) == 0 || hot.generated == 0) return false;
  uint32_t tokens = 1;
  if (units_[hot.unit].draft_width > 1) {
    if (!alone) return false;
    tokens = TokensOfBeat(slot);
  }
  if (hot.generated + tokens >= hot.max_tokens) return false;
  emitter_->EmitPlain(slot, &hot, tokens);
  GoOn(slot, tokens, &hot);
  return true;
}

// The last instant whose beats come before all else, as long as none of them schedules anything.
int64_t DecodePool::BeatsUntil() const {
  if (context_->dirty.any() || emitter_->holds_time()) return -1;
  const Timeline& timeline = *context_->timeline;
  const int64_t limit_ns = context_->limit.count();
  return timeline.empty() ? limit_ns : std::min(limit_ns, timeline.next_instant().count() - 1);
}

// Beats are taken as long as nothing else on the timeline comes before them: the timeline's agenda
// is touched once for a run of beats, with the same order as if each beat were in it. What a beat
// schedules may come before the next one, so the timeline is asked again after each that is not
// plain.
void DecodePool::OnBeat() {
  EngineContext& context = *context_;
  Timeline& timeline = *context.timeline;
  int64_t now_ns = timeline.now().count();
  if (armed_ns_ != now_ns) return;
  armed_ns_ = kNotArmed;
  int64_t until_ns = BeatsUntil();
  for (;;) {
    const SequenceRef sequence = beats_.front().sequence;
    beats_.PopFront();
    if (!DeliverPlain(sequence, until_ns >= now_ns)) {
      if (!DeliverBeat(sequence)) break;
      until_ns = BeatsUntil();
    }
    if (beats_.empty()) return;
    const int64_t next_ns = beats_.front().leaves_ns;
    if (next_ns != now_ns) {
      if (next_ns > until_ns) break;
      timeline.AdvanceTo(Nanoseconds(next_ns));
      now_ns = next_ns;
    }
    ++context.events;
  }
  Arm();
}

// False: the rest of the agenda has to wait, because time stands still or something else is due.
bool DecodePool::DeliverBeat(SequenceRef sequence) {
  const SlotIndex slot = sequence.slot;
  HotSequence& hot = sequences_->hot(slot);
  if (hot.generation != sequence.generation) return true;  // ended or restarted meanwhile
  const bool prompt = (hot.flags & HotSequence::kPrefillsHere) != 0;
  if (prompt) {
    context_->due.push_back(DueTokens{sequence, 1});
    return false;
  }
  if (units_[hot.unit].draft_width > 1) return DeliverDraft(sequence, &hot);
  switch (emitter_->Emit(slot, &hot)) {
    case TokenEmitter::Emission::kGoOn:
      GoOn(slot, 1, &hot);
      return true;
    case TokenEmitter::Emission::kOver:
      return true;
    case TokenEmitter::Emission::kPending:
      context_->due.push_back(DueTokens{sequence, 1});
      return false;
  }
  return true;
}

// The same of a beat with a draft. It lets in what else is due at this instant before the next one.
bool DecodePool::DeliverDraft(SequenceRef sequence, HotSequence* hot) {
  EngineContext& context = *context_;
  const uint32_t before = hot->generated;
  uint32_t left = TokensOfBeat(sequence.slot);
  if (!emitter_->EmitBurst(sequence.slot, &left)) {
    context.due.push_back(DueTokens{sequence, left});
    return false;
  }
  if (sequences_->IsCurrent(sequence)) GoOn(sequence.slot, hot->generated - before, hot);
  const Timeline& timeline = *context.timeline;
  return context.due.empty() && !context.dirty.any() && !emitter_->holds_time() &&
         (timeline.empty() || timeline.next_instant() > timeline.now());
}

void DecodePool::StartStep(UnitIndex u) {
  Unit& unit = units_[u];
  if (unit.stepping || !unit.alive) return;
  std::erase_if(unit.members,
                [this](const SequenceRef& ref) { return !sequences_->IsCurrent(ref); });
  if (unit.members.empty()) return;
  int64_t kv_total = 0;
  unit.in_step = unit.members;
  for (const SequenceRef& ref : unit.in_step) kv_total += sequences_->hot(ref.slot).kv_length;
  const auto sequences = static_cast<int>(unit.in_step.size());
  const Nanoseconds lasts = std::max(
      unit.spec.batch->StepTime(sequences, Tokens(kv_total), unit.draft_width) + unit.draft_time,
      Nanoseconds(1));
  if (const TwoSided* sides = unit.spec.batch->sides()) {
    const TwoSided::Use use = sides->UseOf(sequences, Tokens(kv_total), unit.draft_width);
    for (size_t i = 0; i < kSides; ++i) unit.sides.busy[i] += use.busy[i];
    unit.sides.crossed += use.crossed;
  }
  unit.step_lasts = lasts;
  unit.stepping = true;
  ++unit.step_generation;
  context_->observers.Notify(
      [&](EngineObserver& o) { o.OnBatchStep(unit.lane, unit.index, sequences, lasts); });
  context_->timeline->Schedule(context_->now() + lasts, Priority::kDevice, this,
                               Payload{Kind::kBatchStep, u.value, unit.step_generation}.word());
}

void DecodePool::OnBatchStep(UnitIndex u) {
  Unit& unit = units_[u];
  unit.stepping = false;
  StepShares shares(unit.step_lasts, static_cast<int64_t>(unit.in_step.size()));
  for (const SequenceRef& ref : unit.in_step) {
    const Nanoseconds share = shares.Next(1);
    if (!sequences_->IsCurrent(ref)) continue;
    on_unit_[ref.slot] += share;
    context_->due.push_back(DueTokens{ref, unit.draft_width > 1 ? TokensOfBeat(ref.slot) : 1});
  }
  context_->due.push_back(u);
}

}  // namespace waferline::engine
