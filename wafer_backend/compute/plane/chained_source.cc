#include "wafer_backend/compute/plane/chained_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace waferline::plane {
namespace {

template <typename T>
void Concatenate(const std::vector<T>& from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

void Add(const PlaneCounters& from, PlaneCounters* to) {
  to->decode_steps += from.decode_steps;
  to->decode_rows += from.decode_rows;
  to->decode_tokens += from.decode_tokens;
  to->prefill_tokens += from.prefill_tokens;
  for (size_t cause = 0; cause < from.host_recoveries.size(); ++cause) {
    to->host_recoveries[cause] += from.host_recoveries[cause];
  }
  to->drafted_tokens += from.drafted_tokens;
  to->accepted_tokens += from.accepted_tokens;
  Concatenate(from.activation_bytes, &to->activation_bytes);
  Concatenate(from.expert_bytes, &to->expert_bytes);
  Concatenate(from.feed_forward_bytes, &to->feed_forward_bytes);
  AddExpertTokens(from.expert_tokens, to);
  Concatenate(from.chains, &to->chains);
  to->live_sequences += from.live_sequences;
  to->slots_in_use += from.slots_in_use;
  Concatenate(from.kv_reserved, &to->kv_reserved);
  to->prefill_kv += from.prefill_kv;
  to->reports_pending += from.reports_pending;
  if (to->damage.empty()) to->damage = from.damage;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChainedSource>> ChainedSource::Create(
    const std::vector<PlaneOptions>& chains, Waker* waker) {
  WL_CHECK(!chains.empty());
  std::unique_ptr<ChainedSource> source(new ChainedSource(waker));
  for (const PlaneOptions& options : chains) {
    const absl::Status joined = source->Join(options);
    if (!joined.ok()) {
      return absl::Status(joined.code(), absl::StrCat("chain ", source->count_.load() + 1, " of ",
                                                      chains.size(), ": ", joined.message()));
    }
  }
  return source;
}

absl::Status ChainedSource::Join(const PlaneOptions& options) {
  const size_t at = count_;
  if (at == kMaxChains) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a model has at most ", kMaxChains, " chains"));
  }
  WL_ASSIGN_OR_RETURN(chains_[at], ComputePlane::Create(options, &waker_));
  count_ = at + 1;
  waker_.Wake();  // for what is stranded
  return absl::OkStatus();
}

// Before the waker that their threads call.
ChainedSource::~ChainedSource() {
  for (auto& chain : chains_) chain.reset();
}

std::optional<size_t> ChainedSource::Choose() const {
  std::optional<size_t> chosen;
  for (size_t i = 0; i < count_; ++i) {
    const bool fewer = !chosen || sequences_on_[i] < sequences_on_[*chosen];
    if (fewer && !chains_[i]->out()) chosen = i;
  }
  return chosen;
}

void ChainedSource::Prefill(SequenceId id, SequenceSpec spec) {
  Routed& routed = sequences_[id];
  routed.first = static_cast<uint32_t>(spec.generated.size());
  routed.spec = std::move(spec);
  routed.chain = Choose().value_or(0);  // all are out: it moves to the first one that is not
  ++sequences_on_[routed.chain];
  chains_[routed.chain]->Prefill(id, routed.spec);
}

void ChainedSource::Activate(SequenceId id) {
  Routed& routed = sequences_.at(id);
  routed.activated = true;
  chains_[routed.chain]->Activate(id);
}

void ChainedSource::Want(SequenceId id, uint32_t count) {
  Routed& routed = sequences_.at(id);
  routed.wanted = std::max(routed.wanted, count);
  chains_[routed.chain]->Want(id, count);
}

ValueSource::State ChainedSource::Look(SequenceId id, uint32_t index, const TokenValue** value) {
  if (waker_.TakeChanged()) MoveStranded();
  const Routed& routed = sequences_.at(id);
  WL_CHECK(index >= routed.first);
  if (const size_t at = index - routed.first; at < routed.kept.size()) {
    *value = &routed.kept[at];
    return State::kReady;
  }
  return chains_[routed.chain]->Look(id, index, value);
}

absl::Status ChainedSource::Failure(SequenceId id) {
  return chains_[sequences_.at(id).chain]->Failure(id);
}

const std::vector<TokenValue>* ChainedSource::PromptLogprobs(SequenceId id) {
  const Routed& routed = sequences_.at(id);
  if (routed.prompt_logprobs) return &*routed.prompt_logprobs;
  return chains_[routed.chain]->PromptLogprobs(id);
}

const std::vector<float>* ChainedSource::PromptVectorOf(SequenceId id) {
  const Routed& routed = sequences_.at(id);
  if (routed.prompt_vector) return &*routed.prompt_vector;
  return chains_[routed.chain]->PromptVectorOf(id);
}

void ChainedSource::End(SequenceId id) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  --sequences_on_[found->second.chain];
  chains_[found->second.chain]->End(id);
  sequences_.erase(found);
}

void ChainedSource::MoveStranded() {
  for (size_t chain = 0; chain < count_; ++chain) {
    if (sequences_on_[chain] == 0 || !chains_[chain]->out()) continue;
    for (auto& [id, routed] : sequences_) {
      if (routed.chain != chain || routed.moves == kMaxMoves) continue;
      const std::optional<size_t> to = Choose();
      if (!to) return;
      if (chains_[chain]->Stranded(id)) Move(id, &routed, *to);
    }
  }
}

void ChainedSource::Keep(SequenceId id, Routed* routed) {
  const auto given = static_cast<uint32_t>(routed->spec.generated.size());
  ComputePlane* const chain = chains_[routed->chain].get();
  const TokenValue* value = nullptr;
  uint32_t index = given;
  for (; chain->Look(id, index, &value) == State::kReady; ++index) {
    routed->kept.push_back(*value);
    routed->spec.generated.push_back(value->id);
  }
  if (index == given || routed->prompt_logprobs) return;
  // The caller has seen them with the first value, or will: they are not computed again.
  routed->prompt_logprobs = *chain->PromptLogprobs(id);
  routed->prompt_vector = *chain->PromptVectorOf(id);
  routed->spec.sampling.prompt_logprobs = false;
  routed->spec.sampling.prompt_vector = PromptVector::kNone;
}

void ChainedSource::Move(SequenceId id, Routed* routed, size_t to) {
  Keep(id, routed);
  chains_[routed->chain]->End(id);
  --sequences_on_[routed->chain];
  ++sequences_on_[to];
  routed->chain = to;
  ++routed->moves;
  ++moved_;
  chains_[to]->Prefill(id, routed->spec);
  if (routed->wanted > 0) chains_[to]->Want(id, routed->wanted);
  if (routed->activated) chains_[to]->Activate(id);
}

std::vector<ShardMemory> ChainedSource::memory() const {
  std::vector<ShardMemory> all;
  for (size_t i = 0; i < count_; ++i) Concatenate(chains_[i]->memory(), &all);
  return all;
}

PlaneCounters ChainedSource::counters() const {
  PlaneCounters sums;
  bool any_up = false;
  for (size_t i = 0; i < count_; ++i) {
    const PlaneCounters counters = chains_[i]->counters();
    Add(counters, &sums);
    any_up |= counters.outage.empty();
    if (sums.outage.empty()) sums.outage = counters.outage;
  }
  if (any_up) sums.outage.clear();
  sums.moved_sequences = moved_;
  return sums;
}

}  // namespace waferline::plane
