#include "wafer_backend/compute/plane/decode_step.h"

#include <algorithm>
#include <utility>

#include "wafer_backend/base/check.h"
#include "wafer_backend/compute/sampling/logit_scan.h"

namespace waferline::plane {

DecodeStep::DecodeStep(int64_t max_batch, const Parts& parts)
    : max_batch_(max_batch), parts_(parts), workspaces_(parts.pool->threads()) {}

bool DecodeStep::Choose(std::span<ComputeSequence* const> resident) {
  share_count_ = 0;
  const size_t count = resident.size();
  const auto limit = static_cast<size_t>(std::min(max_batch_, parts_.backend->facts().max_rows));
  if (next_ >= count) next_ = 0;
  size_t looked_at = 0;
  for (; looked_at < count && share_count_ < limit; ++looked_at) {
    ComputeSequence* sequence = resident[(next_ + looked_at) % count];
    if (!sequence->runnable()) continue;
    if (share_count_ == shares_.size()) shares_.emplace_back();
    Share& share = shares_[share_count_++];
    share.sequence = sequence;
    share.draft.clear();
    share.values.clear();
    share.finite = true;
  }
  if (count > 0) next_ = (next_ + looked_at) % count;
  return share_count_ > 0;
}

absl::Status DecodeStep::Run() {
  Speculate();
  tokens_.rows.clear();
  tokens_.tokens.clear();
  for (Share& share : shares()) AddRows(&share);
  ++tokens_.step;
  absl::Status status = parts_.backend->Step(tokens_, &logits_);
  if (!status.ok()) return status;
  WL_CHECK(logits_.logits.size() == tokens_.rows.size() * logits_.vocabulary);
  // A row is read a few times over.
  parts_.pool->ParallelFor(static_cast<int64_t>(share_count_),
                           Bytes(int64_t{4} * logits_.vocabulary),
                           [this](int64_t i, int worker) { Draw(&shares_[i], worker); });
  return absl::OkStatus();
}

void DecodeStep::Speculate() {
  if (parts_.speculator == nullptr) return;
  draft_requests_.clear();
  auto room =
      static_cast<uint32_t>(parts_.backend->facts().max_rows) - static_cast<uint32_t>(share_count_);
  for (Share& share : shares()) {
    ComputeSequence* sequence = share.sequence;
    // The step gives one token without any guess; more than what is wanted is of no use.
    const uint32_t useful = sequence->target() - sequence->generated() - 1;
    const uint32_t guesses = std::min(useful, room);
    room -= guesses;
    draft_requests_.push_back({.job = sequence->job,
                               .text = sequence->text,
                               .sampling = &sequence->sampler.spec(),
                               .prediction = sequence->prediction,
                               .next_index = sequence->generated(),
                               .max_tokens = guesses,
                               .draft = &share.draft});
  }
  parts_.speculator->Propose(draft_requests_);
}

void DecodeStep::AddRows(Share* share) {
  const ComputeSequence& sequence = *share->sequence;
  const uint32_t slot = sequence.slot.value();
  share->first_row = static_cast<int64_t>(tokens_.rows.size());
  share->rows = 1 + static_cast<int64_t>(share->draft.size());
  tokens_.rows.push_back({slot, sequence.kv_positions});
  tokens_.tokens.push_back(sequence.text[sequence.kv_positions]);
  for (const TokenId guess : share->draft) {
    tokens_.rows.push_back({slot, tokens_.rows.back().position + 1});
    tokens_.tokens.push_back(guess);
  }
}

void DecodeStep::Draw(Share* share, int worker) {
  ComputeSequence* sequence = share->sequence;
  const size_t vocabulary = logits_.vocabulary;
  for (int64_t i = 0; i < share->rows; ++i) {
    const int64_t row = share->first_row + i;
    std::span<float> logits(logits_.logits.data() + row * static_cast<int64_t>(vocabulary),
                            vocabulary);
    share->finite = sampling::AllFinite(logits);
    if (!share->finite) break;
    share->values.push_back(sequence->sampler.Next(logits, &workspaces_[worker]));
    sequence->Append(share->values.back().id);
    ++sequence->kv_positions;
    if (sequence->complete) break;
    // The next row was fed a guess; it counts only if the guess is what came out.
    if (i + 1 < share->rows && tokens_.tokens[row + 1] != share->values.back().id) break;
  }
}

void DecodeStep::Count(PlaneCounters* counters) {
  ++counters->decode_steps;
  counters->decode_rows += tokens_.rows.size();
  for (const Share& share : shares()) {
    counters->decode_tokens += share.values.size();
    if (parts_.speculator == nullptr || !share.finite) continue;
    const auto drafted = static_cast<uint32_t>(share.draft.size());
    const auto accepted = static_cast<uint32_t>(share.values.size()) - 1;
    counters->drafted_tokens += drafted;
    counters->accepted_tokens += accepted;
    parts_.speculator->Learn(share.sequence->job, drafted, accepted);
  }
}

}  // namespace waferline::plane
