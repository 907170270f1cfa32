// A token's way out: its value from the source, to the sink, and whether the sequence goes on.
#include <algorithm>

#include "scheduler/engine/engine_state.h"
#include "wafer_backend/base/check.h"

namespace waferline::engine {
EngineState::Emission EngineState::Emit(uint32_t slot) {
  HotSequence& hot = hot_[slot];
  Lane& lane = lanes_[hot.lane];
  const uint32_t index = hot.generated;
  if (hot.wanted < hot.max_tokens && hot.wanted < index + kWantAhead / 2) {
    hot.wanted = std::min(hot.max_tokens, index + kWantAhead);
    lane.spec.values->Want(hot.id, hot.wanted);
  }
  const TokenValue* value = nullptr;
  switch (lane.spec.values->Look(hot.id, index, &value)) {
    case ValueSource::State::kReady:
      break;
    case ValueSource::State::kPending:
      return Emission::kPending;
    case ValueSource::State::kFailed:
      FailValue(slot);
      return Emission::kOver;
  }
  if (index == 0) {
    Sequence& s = sequences_[slot];
    if (hot.sink != nullptr && s.request.sampling.prompt_logprobs) {
      const auto* logprobs = lane.spec.values->PromptLogprobs(hot.id);
      if (logprobs != nullptr) hot.sink->OnPromptLogprobs(*logprobs);
      lane.spec.values->Look(hot.id, index, &value);  // that call may have ended its validity
    }
    if (hot.max_tokens == 0) {  // only the prompt was asked for
      End(slot, FinishReason::kLength, absl::OkStatus());
      return Emission::kOver;
    }
    s.first_token_at = now();
  }

  const int64_t now_ns = now().count();
  const Nanoseconds gap(now_ns - hot.last_token_ns);
  hot.last_token_ns = now_ns;
  hot.generated = index + 1;
  ++tokens_;
  Mix(Decision::kToken, hot.ordinal, index);
  bool stop = false;
  if (hot.flags & HotSequence::kHasEndIds) {
    const std::vector<TokenId>& ids = sequences_[slot].request.sampling.end_ids;
    stop = std::find(ids.begin(), ids.end(), value->id) != ids.end();
  }
  if (hot.flags & HotSequence::kKeepsIds) sequences_[slot].generated.push_back(value->id);
  observers_.Notify([&](EngineObserver& o) {
    o.OnToken({hot.lane, slot, index, Nanoseconds(now_ns), gap});
  });
  if (hot.sink != nullptr) {
    const Nanoseconds since = Nanoseconds(now_ns) - sequences_[slot].arrival;
    switch (hot.sink->OnToken({index, value, since})) {
      case TokenSink::Verdict::kContinue:
        break;
      case TokenSink::Verdict::kStop:
        stop = true;
        break;
      case TokenSink::Verdict::kFull:
        if (!stop && hot.generated < hot.max_tokens) Park(slot);
        break;
    }
  }
  if (stop) {
    End(slot, FinishReason::kStop, absl::OkStatus());
    return Emission::kOver;
  }
  if (hot.generated == hot.max_tokens) {
    End(slot, FinishReason::kLength, absl::OkStatus());
    return Emission::kOver;
  }
  return Emission::kGoOn;
}

bool EngineState::EmitBurst(uint32_t slot, uint32_t* tokens) {
  while (*tokens > 0) {
    if (held_readers_ > 0) return false;
    if (hot_[slot].flags & HotSequence::kParked) {
      // The rest of the beat is there and leaves when the reader has caught up.
      sequences_[slot].burst_left = *tokens;
      *tokens = 0;
      return true;
    }
    const Emission emission = Emit(slot);
    if (emission == Emission::kPending) return false;
    --*tokens;
    if (emission == Emission::kOver) *tokens = 0;
  }
  return true;
}

// All tokens of the beat, step or prefill are out (or kept for a full reader), and it goes on.
void EngineState::AfterEmission(uint32_t slot) {
  HotSequence& hot = hot_[slot];
  Sequence& s = sequences_[slot];
  if (std::holds_alternative<Prefilling>(s.stage)) {
    if (hot.flags & HotSequence::kPrefillsHere) {
      hot.flags &= ~HotSequence::kPrefillsHere;
      s.stage = Resident(std::move(std::get<Prefilling>(s.stage)));
      Mix(Decision::kResident, hot.ordinal, hot.unit);
      SetPhase(slot, Phase::kDecode);
      EnterDecode(slot);
    } else {
      AfterPrefill(slot);
    }
    return;
  }
  if (!std::holds_alternative<Resident>(s.stage)) return;  // parked at prefill, resumed in transfer
  hot.kv_length = s.outline->tokens + hot.generated;
  if (hot.flags & HotSequence::kParked) {
    hot.flags |= HotSequence::kAwaitsEntry;
    Unit& unit = units_[hot.unit];
    std::erase_if(unit.members, [slot](const Worker::Entry& e) { return e.slot == slot; });
    return;
  }
  if (units_[hot.unit].spec.pipeline != nullptr) {
    EnterBeat(slot);
    Arm();
  }
}

// Unavailable: the compute plane lost what it had; another go computes the same tokens.
void EngineState::FailValue(uint32_t slot) {
  const absl::Status status = lanes_[hot_[slot].lane].spec.values->Failure(hot_[slot].id);
  if (absl::IsUnavailable(status)) {
    Restart(slot, RestartCause::kValueLost);
  } else {
    End(slot, FinishReason::kFailed,
        status.ok() ? absl::InternalError("the value source failed without a reason") : status);
  }
}

void EngineState::Park(uint32_t slot) {
  HotSequence& hot = hot_[slot];
  if (options_.hold_time_for_readers) {
    if (!(hot.flags & HotSequence::kHeldReader)) ++held_readers_;
    hot.flags |= HotSequence::kHeldReader;
    return;
  }
  hot.flags |= HotSequence::kParked;
  ++lanes_[hot.lane].parked;
  sequences_[slot].parked_at = now();
  timeline_->Schedule(now() + lanes_[hot.lane].spec.limits.reader_grace, Priority::kPolicy, this,
                      Payload(Kind::kReaderGrace, slot, hot.generation));
}

void EngineState::Unpark(uint32_t slot) {
  HotSequence& hot = hot_[slot];
  if (hot.flags & HotSequence::kHeldReader) {
    hot.flags &= ~HotSequence::kHeldReader;
    --held_readers_;
  }
  if (!(hot.flags & HotSequence::kParked)) return;
  hot.flags &= ~HotSequence::kParked;
  --lanes_[hot.lane].parked;
  Sequence& s = sequences_[slot];
  if (s.burst_left > 0) {
    hot.flags &= ~HotSequence::kAwaitsEntry;
    due_.push_back({slot, hot.generation, s.burst_left});
    s.burst_left = 0;
    // A batch unit lost this member when it was parked.
    if (units_[hot.unit].spec.batch != nullptr && std::holds_alternative<Resident>(s.stage)) {
      units_[hot.unit].members.push_back({slot, hot.generation});
      due_.push_back({hot.unit, 0, 0});
    }
  } else if (hot.flags & HotSequence::kAwaitsEntry) {
    hot.flags &= ~HotSequence::kAwaitsEntry;
    EnterDecode(slot);
  }
}

}  // namespace waferline::engine
