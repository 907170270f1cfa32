#include "wafer_backend/compute/plane/driver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/retry_hint.h"
#include "wafer_backend/compute/sampling/logit_scan.h"

namespace waferline::plane {

using Stage = ComputeSequence::Stage;

Driver::Driver(const Options& options, const Parts& parts)
    : model_(options.model),
      backend_(parts.backend),
      speculator_(parts.speculator),
      shared_(parts.shared),
      waker_(parts.waker),
      step_(options.max_batch,
            {.backend = parts.backend, .speculator = parts.speculator, .pool = parts.pool}) {
  for (uint32_t slot = backend_->facts().slots; slot-- > 0;) free_slots_.push_back(slot);
}

void Driver::Run() {
  while (TakeChanges()) {
    bool moved = backend_->Turn(AnyRunnable(), &events_);
    moved |= HandleEvents();
    moved |= Decode();
    if (moved) Count();
    if (!moved) backend_->Wait();
  }
}

bool Driver::TakeChanges() {
  changed_.clear();
  std::vector<ComputeSequence*> ended, activated;
  std::vector<const std::shared_ptr<ComputeSequence>*> started;
  {
    const MutexLock lock(&shared_->mutex);
    if (shared_->stop) return false;
    changed_.swap(shared_->changed);
    for (const auto& sequence : changed_) {
      sequence->changed = false;
      sequence->wanted_seen = sequence->wanted;
      if (sequence->ended) {
        if (sequence->started) ended.push_back(sequence.get());
        continue;
      }
      if (!sequence->started) started.push_back(&sequence);
      if (sequence->activate && !sequence->activated) activated.push_back(sequence.get());
    }
  }
  // Ended sequences first: the engine may already have given their room to new ones.
  for (ComputeSequence* sequence : ended) OnEnd(sequence);
  for (const auto* sequence : started) OnStart(*sequence);
  for (ComputeSequence* sequence : activated) OnActivate(sequence);
  AssignFreeSlots();
  if (!changed_.empty()) Count();
  return true;
}

void Driver::OnStart(const std::shared_ptr<ComputeSequence>& sequence) {
  sequence->started = true;
  StartPrefill(sequence);
}

void Driver::StartPrefill(const std::shared_ptr<ComputeSequence>& sequence) {
  sequence->job = next_job_++;
  sequence->stage = Stage::kPrefilling;
  live_[sequence->job] = sequence;
  std::vector<TokenId> tokens = sequence->text;
  if (sequence->begun()) tokens.pop_back();  // drawn, but not yet fed
  sequence->kv_positions = static_cast<uint32_t>(tokens.size());
  const SamplingSpec& sampling = sequence->sampler.spec();
  backend_->Prefill({.id = sequence->job,
                     .tokens = std::move(tokens),
                     .prompt_tokens = sequence->prompt_tokens,
                     .prompt_logprobs = sampling.prompt_logprobs && !sequence->begun(),
                     .top_logprobs = sampling.top_logprobs,
                     .vector = sequence->begun() ? PromptVector::kNone : sampling.prompt_vector,
                     .begun = sequence->generated() > 0});
}

void Driver::OnActivate(ComputeSequence* sequence) {
  sequence->activated = true;
  // While it is still prefilling, OnPrefilled goes on from here.
  if (sequence->stage == Stage::kPrefilled) waiting_for_slot_.push_back(sequence);
}

void Driver::AssignFreeSlots() {
  while (!waiting_for_slot_.empty() && !free_slots_.empty()) {
    ComputeSequence* sequence = waiting_for_slot_.front();
    waiting_for_slot_.pop_front();
    sequence->slot = free_slots_.back();
    free_slots_.pop_back();
    sequence->stage = Stage::kHandingOff;
    // The last token that is generated is never fed, so it needs no room.
    const uint32_t whole = sequence->prompt_tokens + sequence->max_tokens;
    backend_->HandOff(sequence->job, *sequence->slot,
                      std::max(sequence->kv_positions, whole > 0 ? whole - 1 : 0));
  }
}

void Driver::ReleaseSlot(ComputeSequence* sequence) {
  std::erase(resident_, sequence);
  backend_->Close(sequence->slot.value());
  if (speculator_ != nullptr) speculator_->Forget(sequence->job);
  free_slots_.push_back(*sequence->slot);
  sequence->slot.reset();
}

void Driver::ReleaseAll(ComputeSequence* sequence) {
  std::erase(waiting_for_slot_, sequence);
  switch (sequence->stage.load()) {
    case Stage::kPrefilling:
    case Stage::kPrefilled:
      backend_->Forget(sequence->job);
      break;
    case Stage::kHandingOff:
      backend_->Forget(sequence->job);
      ReleaseSlot(sequence);
      break;
    case Stage::kResident:
      ReleaseSlot(sequence);
      break;
    case Stage::kOver:
      break;
  }
}

void Driver::OnEnd(ComputeSequence* sequence) {
  ReleaseAll(sequence);
  live_.erase(sequence->job);
}

void Driver::Count() {
  counters_.live_sequences = static_cast<uint32_t>(live_.size());
  const bool was_out = !counters_.outage.empty();
  counters_.slots_in_use = backend_->facts().slots - static_cast<uint32_t>(free_slots_.size());
  backend_->Count(&counters_);
  {
    const MutexLock lock(&shared_->mutex);
    shared_->counters = counters_;
  }
  if (was_out == counters_.outage.empty()) waker_->Wake();
}

void Driver::Fail(ComputeSequence* sequence, const absl::Status& status) {
  std::erase(waiting_for_slot_, sequence);
  sequence->stage = Stage::kOver;
  const MutexLock lock(&shared_->mutex);
  // A file that is copied over is torn only meanwhile, so trying again may help.
  sequence->failure =
      absl::IsDataLoss(status)
          ? WithRetryAfter(absl::UnavailableError(status.message()), kRetryAfterLoss)
          : status;
}

// Not Unavailable: computed again it would be the same.
void Driver::FailForLogits(ComputeSequence* sequence) {
  Fail(sequence,
       absl::InternalError(absl::StrCat("the logits that model \"", model_,
                                        "\" computed for token ", sequence->generated(),
                                        " are not finite numbers: its weights hold such "
                                        "numbers, or what is computed with them overflows")));
}

void Driver::NoteDamage(const absl::Status& computed) {
  counters_.damage = absl::IsDataLoss(computed) ? std::string(computed.message()) : "";
}

bool Driver::HandleEvents() {
  if (events_.empty()) return false;
  for (const auto& lost : events_.lost) OnLost(lost);
  if (!events_.lost.empty()) Count();  // says that workers are gone before the caller looks
  for (prefill::Prefilled& result : events_.prefilled) OnPrefilled(&result);
  for (const auto& handed_off : events_.handed_off) OnHandedOff(handed_off);
  events_ = {};
  AssignFreeSlots();
  waker_->Wake();
  return true;
}

void Driver::OnLost(const BackendEvents::Lost& lost) {
  const auto found = live_.find(lost.job);
  if (found == live_.end()) return;
  const std::shared_ptr<ComputeSequence> sequence = found->second;
  ReleaseAll(sequence.get());
  if (sequence->complete) {
    sequence->stage = Stage::kOver;  // its values are all there
    return;
  }
  if (sequence->recoveries == kMaxRecoveries) {
    return Fail(
        sequence.get(),
        WithRetryAfter(absl::UnavailableError(absl::StrCat("it was computed again ", kMaxRecoveries,
                                                           " times, then: ", lost.why)),
                       kRetryAfterLoss));
  }
  ++sequence->recoveries;
  ++counters_.host_recoveries[static_cast<size_t>(lost.cause)];
  live_.erase(found);
  StartPrefill(sequence);
}

void Driver::OnHandedOff(const BackendEvents::HandedOff& handed_off) {
  const auto found = live_.find(handed_off.job);
  if (found == live_.end() || found->second->stage != Stage::kHandingOff) return;
  ComputeSequence* sequence = found->second.get();
  if (handed_off.status.ok()) {
    sequence->stage = Stage::kResident;
    resident_.push_back(sequence);
    return;
  }
  ReleaseSlot(sequence);
  Fail(sequence, handed_off.status);
}

void Driver::OnPrefilled(prefill::Prefilled* result) {
  const auto found = live_.find(result->id);
  if (found == live_.end() || found->second->stage != Stage::kPrefilling) return;
  ComputeSequence* sequence = found->second.get();
  NoteDamage(result->status);
  if (!result->status.ok()) {
    Fail(sequence, result->status);
    return;
  }
  if (!sampling::AllFinite(result->logits) || !sampling::AllFinite(result->vector)) {
    backend_->Forget(sequence->job);
    return FailForLogits(sequence);
  }
  sequence->stage = Stage::kPrefilled;
  if (!sequence->begun()) {
    TokenValue value = sequence->sampler.Next(result->logits, &workspace_);
    sequence->Append(value.id);
    const MutexLock lock(&shared_->mutex);
    sequence->values.push_back(std::move(value));
    sequence->prompt_logprobs = std::move(result->prompt_logprobs);
    sequence->prompt_vector = std::move(result->vector);
  }
  if (sequence->activated) waiting_for_slot_.push_back(sequence);
}

bool Driver::AnyRunnable() const {
  return std::any_of(resident_.begin(), resident_.end(),
                     [](const ComputeSequence* sequence) { return sequence->runnable(); });
}

bool Driver::Decode() {
  if (!step_.Choose(resident_)) return false;
  const absl::Status status = step_.Run();
  if (absl::IsUnavailable(status)) return true;  // the next turn says what is lost
  NoteDamage(status);
  if (!status.ok()) {
    for (const DecodeStep::Share& share : step_.shares()) {
      ReleaseSlot(share.sequence);
      Fail(share.sequence, status);
    }
  } else {
    step_.Count(&counters_);
    const MutexLock lock(&shared_->mutex);
    for (DecodeStep::Share& share : step_.shares()) {
      for (TokenValue& value : share.values) share.sequence->values.push_back(std::move(value));
    }
  }
  for (const DecodeStep::Share& share : step_.shares()) {
    if (share.finite || share.sequence->stage != Stage::kResident) continue;
    ReleaseSlot(share.sequence);
    FailForLogits(share.sequence);
  }
  waker_->Wake();
  return true;
}

}  // namespace waferline::plane
