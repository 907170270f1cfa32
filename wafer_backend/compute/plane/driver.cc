#include "wafer_backend/compute/plane/driver.h"

#include <algorithm>
#include <span>
#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::plane {

using Stage = Sequence::Stage;

Driver::Driver(const Options& options, const Parts& parts)
    : options_(options),
      backend_(parts.backend),
      speculator_(parts.speculator),
      pool_(parts.pool),
      board_(parts.board),
      waker_(parts.waker) {
  for (uint32_t slot = backend_->facts().slots; slot-- > 0;) free_slots_.push_back(slot);
  workspaces_.resize(pool_->threads());
}

void Driver::Run() {
  while (TakeTouched()) {
    bool moved = backend_->Turn(AnyRunnable(), &events_);
    moved |= HandleEvents();
    moved |= DecodeStep();
    if (moved) Count();
    if (!moved) backend_->Wait();
  }
}

bool Driver::TakeTouched() {
  touched_.clear();
  std::vector<Sequence*> left, activated;
  std::vector<const std::shared_ptr<Sequence>*> met;
  {
    std::lock_guard lock(board_->mutex);
    if (board_->stop) return false;
    touched_.swap(board_->touched);
    for (const auto& sequence : touched_) {
      sequence->touched = false;
      sequence->asked = sequence->wanted;
      if (sequence->ended) {
        if (sequence->known) left.push_back(sequence.get());
        continue;
      }
      if (!sequence->known) met.push_back(&sequence);
      if (sequence->activate && !sequence->activated) activated.push_back(sequence.get());
    }
  }
  // The engine may have given to newcomers what those who leave held.
  for (Sequence* sequence : left) Leave(sequence);
  for (const auto* sequence : met) Meet(*sequence);
  for (Sequence* sequence : activated) Activate(sequence);
  ServeWaiting();
  if (!touched_.empty()) Count();
  return true;
}

void Driver::Meet(const std::shared_ptr<Sequence>& sequence) {
  sequence->known = true;
  live_[sequence->job] = sequence;
  backend_->Prefill({.id = sequence->job,
                     .tokens = sequence->text,
                     .prompt_tokens = sequence->prompt_tokens,
                     .prompt_logprobs = sequence->sampler.spec().prompt_logprobs,
                     .top_logprobs = sequence->sampler.spec().top_logprobs});
}

void Driver::Activate(Sequence* sequence) {
  sequence->activated = true;
  if (sequence->stage == Stage::kPrefilled || sequence->stage == Stage::kPrefilling) {
    // While it is still prefilling OnPrefilled goes on from here.
    if (sequence->stage == Stage::kPrefilling) return;
    if (free_slots_.empty()) {
      waiting_for_slot_.push_back(sequence);
      return;
    }
    sequence->slot = free_slots_.back();
    free_slots_.pop_back();
    sequence->stage = Stage::kHandingOff;
    // The last token that is generated is never fed, so it needs no room.
    const uint32_t whole = sequence->prompt_tokens + sequence->max_tokens;
    backend_->HandOff(sequence->job, sequence->slot,
                      std::max(sequence->kv_positions, whole > 0 ? whole - 1 : 0));
  }
}

void Driver::GiveSlotBack(Sequence* sequence) {
  std::erase(resident_, sequence);
  backend_->Close(sequence->slot);
  if (speculator_ != nullptr) speculator_->Forget(sequence->job);
  free_slots_.push_back(sequence->slot);
}

void Driver::Leave(Sequence* sequence) {
  std::erase(waiting_for_slot_, sequence);
  switch (sequence->stage) {
    case Stage::kPrefilling:
    case Stage::kPrefilled:
      backend_->Forget(sequence->job);
      break;
    case Stage::kHandingOff:
      backend_->Forget(sequence->job);
      GiveSlotBack(sequence);
      break;
    case Stage::kResident:
      GiveSlotBack(sequence);
      break;
    case Stage::kFailed:
      break;
  }
  live_.erase(sequence->job);
}

void Driver::ServeWaiting() {
  while (!waiting_for_slot_.empty() && !free_slots_.empty()) {
    Sequence* next = waiting_for_slot_.front();
    waiting_for_slot_.pop_front();
    Activate(next);
  }
}

void Driver::Count() {
  counters_.live_sequences = static_cast<uint32_t>(live_.size());
  counters_.slots_in_use = backend_->facts().slots - static_cast<uint32_t>(free_slots_.size());
  backend_->Count(&counters_);
  std::lock_guard lock(board_->mutex);
  board_->counters = counters_;
}

void Driver::Fail(Sequence* sequence, const absl::Status& status) {
  std::erase(waiting_for_slot_, sequence);
  sequence->stage = Stage::kFailed;
  std::lock_guard lock(board_->mutex);
  sequence->failure = status;
}

void Driver::FailWhere(const absl::Status& status, bool (*affected)(Stage)) {
  for (const auto& [job, sequence] : live_) {
    if (!affected(sequence->stage)) continue;
    if (sequence->stage == Stage::kPrefilling || sequence->stage == Stage::kPrefilled ||
        sequence->stage == Stage::kHandingOff) {
      backend_->Forget(job);
    }
    if (sequence->stage == Stage::kHandingOff || sequence->stage == Stage::kResident) {
      GiveSlotBack(sequence.get());
    }
    Fail(sequence.get(), status);
  }
}

bool Driver::HandleEvents() {
  if (!events_.shards_lost.ok()) {
    FailWhere(events_.shards_lost,
              [](Stage stage) { return stage == Stage::kHandingOff || stage == Stage::kResident; });
  }
  if (!events_.prefill_lost.ok()) {
    FailWhere(events_.prefill_lost, [](Stage stage) {
      return stage == Stage::kPrefilling || stage == Stage::kPrefilled ||
             stage == Stage::kHandingOff;
    });
  }
  const bool any = !events_.prefilled.empty() || !events_.handed_off.empty() ||
                   !events_.shards_lost.ok() || !events_.prefill_lost.ok();
  for (prefill::Prefilled& result : events_.prefilled) OnPrefilled(&result);
  for (const auto& handed_off : events_.handed_off) {
    const auto found = live_.find(handed_off.job);
    if (found == live_.end() || found->second->stage != Stage::kHandingOff) continue;
    Sequence* sequence = found->second.get();
    if (handed_off.status.ok()) {
      sequence->stage = Stage::kResident;
      resident_.push_back(sequence);
    } else {
      GiveSlotBack(sequence);
      Fail(sequence, handed_off.status);
    }
  }
  events_.prefilled.clear();
  events_.handed_off.clear();
  events_.shards_lost = events_.prefill_lost = absl::OkStatus();
  ServeWaiting();
  if (any) waker_->Wake();
  return any;
}

void Driver::OnPrefilled(prefill::Prefilled* result) {
  const auto found = live_.find(result->id);
  if (found == live_.end() || found->second->stage != Stage::kPrefilling) return;
  Sequence* sequence = found->second.get();
  if (!result->status.ok()) {
    Fail(sequence, result->status);
    return;
  }
  sequence->kv_positions = static_cast<uint32_t>(sequence->text.size());
  sequence->stage = Stage::kPrefilled;
  TokenValue value = sequence->sampler.Next(result->logits, &workspaces_[0]);
  Take(sequence, value);
  {
    std::lock_guard lock(board_->mutex);
    sequence->values.push_back(std::move(value));
    sequence->prompt_logprobs = std::move(result->prompt_logprobs);
  }
  if (sequence->activated) Activate(sequence);
}

void Driver::Take(Sequence* sequence, const TokenValue& value) {
  sequence->text.push_back(value.id);
  sequence->complete =
      sequence->generated() >= sequence->max_tokens || sequence->sampler.Ends(value.id);
}

bool Driver::Runnable(const Sequence& sequence) const {
  return !sequence.complete && sequence.generated() < std::min(sequence.asked, sequence.max_tokens);
}

bool Driver::AnyRunnable() const {
  return std::any_of(resident_.begin(), resident_.end(),
                     [this](const Sequence* sequence) { return Runnable(*sequence); });
}

// Who takes part in the next step, one row each.
void Driver::ChooseParts() {
  part_count_ = 0;
  const size_t count = resident_.size();
  const auto most = static_cast<size_t>(std::min(options_.max_batch, backend_->facts().max_rows));
  if (first_of_step_ >= count) first_of_step_ = 0;
  size_t looked_at = 0;
  for (; looked_at < count && part_count_ < most; ++looked_at) {
    Sequence* sequence = resident_[(first_of_step_ + looked_at) % count];
    if (!Runnable(*sequence)) continue;
    if (part_count_ == parts_.size()) parts_.emplace_back();
    Part& part = parts_[part_count_++];
    part.sequence = sequence;
    part.draft.clear();
    part.values.clear();
  }
  if (count > 0) first_of_step_ = (first_of_step_ + looked_at) % count;
}

void Driver::Speculate() {
  if (speculator_ == nullptr) return;
  draft_requests_.clear();
  auto room =
      static_cast<uint32_t>(backend_->facts().max_rows) - static_cast<uint32_t>(part_count_);
  for (size_t i = 0; i < part_count_; ++i) {
    Sequence* sequence = parts_[i].sequence;
    // The step gives one token without any guess; more than what is wanted is of no use.
    const uint32_t useful =
        std::min(sequence->asked, sequence->max_tokens) - sequence->generated() - 1;
    const uint32_t most = std::min(useful, room);
    room -= most;
    draft_requests_.push_back({.job = sequence->job,
                               .text = sequence->text,
                               .sampling = &sequence->sampler.spec(),
                               .next_index = sequence->generated(),
                               .most = most,
                               .draft = &parts_[i].draft});
  }
  speculator_->Propose(draft_requests_);
}

void Driver::AddRows(Part* part) {
  const Sequence& sequence = *part->sequence;
  part->first_row = static_cast<int64_t>(tokens_.rows.size());
  part->rows = 1 + static_cast<int64_t>(part->draft.size());
  tokens_.rows.push_back({sequence.slot, sequence.kv_positions});
  tokens_.tokens.push_back(sequence.text[sequence.kv_positions]);
  for (const TokenId guess : part->draft) {
    tokens_.rows.push_back({sequence.slot, tokens_.rows.back().position + 1});
    tokens_.tokens.push_back(guess);
  }
}

bool Driver::DecodeStep() {
  ChooseParts();
  if (part_count_ == 0) return false;
  Speculate();
  tokens_.rows.clear();
  tokens_.tokens.clear();
  for (size_t i = 0; i < part_count_; ++i) AddRows(&parts_[i]);
  ++tokens_.step;
  const absl::Status status = backend_->Step(tokens_, &logits_);
  if (!status.ok()) {
    FailStep(status);
    return true;
  }
  WL_CHECK(logits_.logits.size() == tokens_.rows.size() * logits_.vocabulary);
  // A row is read a few times over.
  pool_->ParallelFor(static_cast<int64_t>(part_count_), Bytes(int64_t{4} * logits_.vocabulary),
                     [this](int64_t part, int worker) { SamplePart(&parts_[part], worker); });
  PublishStep();
  return true;
}

void Driver::FailStep(const absl::Status& status) {
  for (size_t i = 0; i < part_count_; ++i) {
    GiveSlotBack(parts_[i].sequence);
    Fail(parts_[i].sequence, status);
  }
  waker_->Wake();
}

void Driver::SamplePart(Part* part, int worker) {
  Sequence* sequence = part->sequence;
  const size_t vocabulary = logits_.vocabulary;
  for (int64_t i = 0; i < part->rows; ++i) {
    const int64_t row = part->first_row + i;
    std::span<float> logits(logits_.logits.data() + row * static_cast<int64_t>(vocabulary),
                            vocabulary);
    part->values.push_back(sequence->sampler.Next(logits, &workspaces_[worker]));
    Take(sequence, part->values.back());
    ++sequence->kv_positions;
    if (sequence->complete) break;
    // The next row was fed a guess; it counts only if the guess is what came out.
    if (i + 1 < part->rows && tokens_.tokens[row + 1] != part->values.back().id) break;
  }
}

void Driver::PublishStep() {
  ++counters_.decode_steps;
  counters_.decode_rows += tokens_.rows.size();
  for (size_t i = 0; speculator_ != nullptr && i < part_count_; ++i) {
    const auto drafted = static_cast<uint32_t>(parts_[i].draft.size());
    const auto accepted = static_cast<uint32_t>(parts_[i].values.size()) - 1;
    counters_.drafted_tokens += drafted;
    counters_.accepted_tokens += accepted;
    speculator_->Learn(parts_[i].sequence->job, drafted, accepted);
  }
  {
    std::lock_guard lock(board_->mutex);
    for (size_t i = 0; i < part_count_; ++i) {
      counters_.decode_tokens += parts_[i].values.size();
      for (TokenValue& value : parts_[i].values) {
        parts_[i].sequence->values.push_back(std::move(value));
      }
    }
  }
  waker_->Wake();
}

}  // namespace waferline::plane
