#include "scheduler/engine/token_emitter.h"

#include <algorithm>

namespace waferline::engine {

void TokenEmitter::Start(SlotIndex slot) {
  const Sequence& s = (*sequences_)[slot];
  HotSequence& hot = sequences_->hot(slot);
  const LaneSpec& lane = context_->lanes[hot.lane];
  lane.values->Prefill(hot.id,
                       SequenceSpec{.prompt = s.request.prompt,
                                    .generated = s.generated,
                                    .sampling = s.request.sampling,
                                    .prediction = s.request.prediction,
                                    .max_tokens = std::max<uint32_t>(1, s.request.max_tokens)});
  // With its room taken, values may be computed ahead of their instants; without it, only the first
  // token's, until room is found.
  if (lane.reserve == Reserve::kAtPrefill && !s.ends_at_prefill()) lane.values->Activate(hot.id);
  Want(&hot, hot.generated + kWantAhead);
}

void TokenEmitter::Want(HotSequence* hot, uint32_t count) {
  hot->wanted = std::min(hot->max_tokens, count);
  if (hot->wanted > 0) context_->lanes[hot->lane].values->Want(hot->id, hot->wanted);
}

TokenEmitter::Emission TokenEmitter::Emit(SlotIndex slot, HotSequence* of_slot) {
  HotSequence& hot = *of_slot;
  ValueSource& values = *context_->lanes[hot.lane].values;
  const uint32_t index = hot.generated;
  if (hot.wanted < hot.max_tokens && hot.wanted < index + kWantAhead / 2) {
    Want(&hot, index + kWantAhead);
  }
  const TokenValue* value = nullptr;
  switch (values.Look(hot.id, index, &value)) {
    case ValueSource::State::kReady:
      break;
    case ValueSource::State::kPending:
      return Emission::kPending;
    case ValueSource::State::kFailed:
      listener_->OnValueFailed(slot, values.Failure(hot.id));
      return Emission::kOver;
  }
  if (index == 0) {
    value = FirstValue(slot, value);
    if (hot.max_tokens == 0) {  // only the prompt was asked for
      listener_->OnOver(slot, FinishReason::kLength, absl::OkStatus());
      return Emission::kOver;
    }
    (*sequences_)[slot].first_token_at = context_->now();
  }
  const TokenInfo info = NextOf(slot, hot);
  Count(&hot, 1);
  context_->log.Record(DecisionLog::Kind::kToken, hot.ordinal, index);
  bool stop = (hot.flags & HotSequence::kHasEndIds) && IsEnd(slot, value->id);
  if (hot.flags & HotSequence::kKeepsIds) (*sequences_)[slot].generated.push_back(value->id);
  context_->observers.Notify([&info](EngineObserver& o) { o.OnToken(info); });
  if (hot.sink != nullptr) {
    const Sequence& s = (*sequences_)[slot];
    stop |= HandOver(slot, {index, value, info.at - s.arrival, s.served}, stop);
  }
  if (!stop && hot.generated < hot.max_tokens) return Emission::kGoOn;
  listener_->OnOver(slot, stop ? FinishReason::kStop : FinishReason::kLength, absl::OkStatus());
  return Emission::kOver;
}

const TokenValue* TokenEmitter::FirstValue(SlotIndex slot, const TokenValue* value) {
  const HotSequence& hot = sequences_->hot(slot);
  const SamplingSpec& asked = (*sequences_)[slot].request.sampling;
  const bool wants_vector = asked.prompt_vector != PromptVector::kNone;
  if (hot.sink == nullptr || (!asked.prompt_logprobs && !wants_vector)) return value;
  ValueSource& values = *context_->lanes[hot.lane].values;
  const auto* const logprobs = asked.prompt_logprobs ? values.PromptLogprobs(hot.id) : nullptr;
  if (logprobs != nullptr) hot.sink->OnPromptLogprobs(*logprobs);
  const auto* const vector = wants_vector ? values.PromptVectorOf(hot.id) : nullptr;
  if (vector != nullptr) hot.sink->OnPromptVector(*vector);
  values.Look(hot.id, 0, &value);  // that call may have ended the value's validity
  return value;
}

bool TokenEmitter::IsEnd(SlotIndex slot, TokenId id) const {
  const std::vector<TokenId>& ids = (*sequences_)[slot].request.sampling.end_ids;
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool TokenEmitter::HandOver(SlotIndex slot, const TokenEvent& event, bool last) {
  const HotSequence& hot = sequences_->hot(slot);
  switch (hot.sink->OnToken(event)) {
    case TokenSink::Verdict::kContinue:
      return false;
    case TokenSink::Verdict::kStop:
      return true;
    case TokenSink::Verdict::kFull:
      if (!last && hot.generated < hot.max_tokens) Fill(slot);
      return false;
  }
  return false;
}

bool TokenEmitter::EmitBurst(SlotIndex slot, uint32_t* left) {
  while (*left > 0) {
    if (held_ > 0) return false;
    if (sequences_->hot(slot).flags & HotSequence::kParked) {
      // The rest of the beat is there and leaves when the reader has caught up.
      (*sequences_)[slot].burst_left = *left;
      *left = 0;
      return true;
    }
    const Emission emission = Emit(slot, &sequences_->hot(slot));
    if (emission == Emission::kPending) return false;
    --*left;
    if (emission == Emission::kOver) *left = 0;
  }
  return true;
}

void TokenEmitter::Fill(SlotIndex slot) {
  HotSequence& hot = sequences_->hot(slot);
  if (!context_->options.hold_time_for_readers) return Park(slot);
  if (!(hot.flags & HotSequence::kHeldReader)) ++held_;
  hot.flags |= HotSequence::kHeldReader;
}

void TokenEmitter::Park(SlotIndex slot) {
  HotSequence& hot = sequences_->hot(slot);
  hot.flags |= HotSequence::kParked;
  ++parked_[hot.lane];
  (*sequences_)[slot].parked_at = context_->now();
  context_->timeline->Schedule(context_->now() + context_->lanes[hot.lane].limits.reader_grace,
                               Priority::kPolicy, this,
                               Payload{Kind::kReaderGrace, slot.value, hot.generation}.word());
}

void TokenEmitter::OnEvent(uint64_t word) {
  const Payload payload = Payload::Of(word);
  const SequenceRef sequence{SlotIndex{payload.index}, payload.generation};
  if (!sequences_->IsCurrent(sequence)) return;
  const HotSequence& hot = sequences_->hot(sequence.slot);
  const Nanoseconds grace = context_->lanes[hot.lane].limits.reader_grace;
  // It may have resumed since, and be full again for less than its grace.
  if (!(hot.flags & HotSequence::kParked)) return;
  if ((*sequences_)[sequence.slot].parked_at + grace != context_->now()) return;
  listener_->OnOver(sequence.slot, FinishReason::kFailed,
                    absl::ResourceExhaustedError("the reader is too slow"));
}

bool TokenEmitter::Resume(SlotIndex slot) {
  HotSequence& hot = sequences_->hot(slot);
  if (hot.flags & HotSequence::kHeldReader) {
    hot.flags &= ~HotSequence::kHeldReader;
    --held_;
  }
  if (!(hot.flags & HotSequence::kParked)) return false;
  hot.flags &= ~HotSequence::kParked;
  --parked_[hot.lane];
  return true;
}

TokenEmitter::Reader TokenEmitter::Forget(SlotIndex slot) {
  HotSequence& hot = sequences_->hot(slot);
  Sequence& s = (*sequences_)[slot];
  // While it waits in its queue the source does not have it.
  if (!std::holds_alternative<Admitted>(s.stage)) context_->lanes[hot.lane].values->End(hot.id);
  const Reader reader{(hot.flags & HotSequence::kParked) != 0,
                      (hot.flags & HotSequence::kHeldReader) != 0};
  if (reader.parked) --parked_[hot.lane];
  if (reader.held) --held_;
  hot.flags &= HotSequence::kRequestFlags;
  hot.wanted = 0;
  s.burst_left = 0;
  return reader;
}

void TokenEmitter::Restore(SlotIndex slot, Reader reader) {
  if (reader.parked) Park(slot);
  if (!reader.held) return;
  sequences_->hot(slot).flags |= HotSequence::kHeldReader;
  ++held_;
}

}  // namespace waferline::engine
