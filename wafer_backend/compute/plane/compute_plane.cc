#include "wafer_backend/compute/plane/compute_plane.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/check.h"
#include "wafer_backend/base/status.h"

namespace waferline::plane {
namespace {

absl::Status CheckSpec(const SequenceSpec& spec, const BackendFacts& facts) {
  const size_t tokens = spec.prompt->size() + spec.generated.size();
  const size_t whole = spec.prompt->size() + spec.max_tokens;
  if (spec.prompt->empty() || tokens > static_cast<size_t>(facts.context) ||
      whole > static_cast<size_t>(facts.context) + 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a sequence of ", spec.prompt->size(), " prompt tokens and up to ",
                     spec.max_tokens, " generated ones in a context of ", facts.context));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ComputePlane>> ComputePlane::Create(const PlaneOptions& options,
                                                                   Waker* waker) {
  if (options.max_batch < 1 || options.threads < 0) {
    return absl::InvalidArgumentError("max_batch must be at least 1, threads at least 0");
  }
  std::unique_ptr<ComputePlane> plane(new ComputePlane());
  plane->pool_ = std::make_unique<kernels::ThreadPool>(
      options.threads > 0 ? options.threads
                          : std::max(static_cast<int>(std::thread::hardware_concurrency()), 1));
  if (options.remote.shards.empty()) {
    WL_ASSIGN_OR_RETURN(plane->backend_, LocalBackend::Create(options.local, plane->pool_.get()));
  } else {
    RemoteOptions remote = options.remote;
    remote.vitals = plane->vitals_ = std::make_shared<ChainVitals>();
    WL_ASSIGN_OR_RETURN(plane->backend_, RemoteBackend::Create(remote));
  }
  // Also without drafters of its own: a request may bring a prediction.
  WL_ASSIGN_OR_RETURN(plane->speculator_,
                      Speculator::Create(options.speculation, plane->backend_->facts().vocabulary,
                                         plane->pool_.get()));
  plane->driver_ = std::make_unique<Driver>(
      Driver::Options{.max_batch = options.max_batch, .model = options.model},
      Driver::Parts{.backend = plane->backend_.get(),
                    .speculator = plane->speculator_.get(),
                    .pool = plane->pool_.get(),
                    .shared = &plane->shared_,
                    .waker = waker});
  plane->thread_ = Thread([driver = plane->driver_.get()] { driver->Run(); });
  return plane;
}

ComputePlane::~ComputePlane() {
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(&shared_.mutex);
    shared_.stop = true;
  }
  backend_->Wake();
  thread_.join();
}

void ComputePlane::MarkChanged(const std::shared_ptr<ComputeSequence>& sequence) {
  if (sequence->changed) return;
  sequence->changed = true;
  shared_.changed.push_back(sequence);
}

void ComputePlane::Prefill(SequenceId id, SequenceSpec spec) {
  WL_CHECK(spec.prompt != nullptr && !sequences_.contains(id));
  auto sequence = std::make_shared<ComputeSequence>(spec);
  sequences_[id] = sequence;
  sequence->failure = CheckSpec(spec, backend_->facts());
  if (!sequence->failure.ok()) return;  // the driver never sees it
  {
    const MutexLock lock(&shared_.mutex);
    MarkChanged(sequence);
  }
  backend_->Wake();
}

void ComputePlane::Activate(SequenceId id) {
  const auto& sequence = sequences_.at(id);
  {
    const MutexLock lock(&shared_.mutex);
    if (sequence->activate || !sequence->failure.ok()) return;
    sequence->activate = true;
    MarkChanged(sequence);
  }
  backend_->Wake();
}

void ComputePlane::Want(SequenceId id, uint32_t count) {
  const auto& sequence = sequences_.at(id);
  {
    const MutexLock lock(&shared_.mutex);
    if (count <= sequence->wanted || !sequence->failure.ok()) return;
    sequence->wanted = count;
    MarkChanged(sequence);
  }
  backend_->Wake();
}

ValueSource::State ComputePlane::Look(SequenceId id, uint32_t index, const TokenValue** value) {
  const auto& sequence = sequences_.at(id);
  WL_CHECK(index >= sequence->given_tokens);
  const MutexLock lock(&shared_.mutex);
  const size_t at = index - sequence->given_tokens;
  if (at < sequence->values.size()) {
    *value = &sequence->values[at];
    return State::kReady;
  }
  return sequence->failure.ok() ? State::kPending : State::kFailed;
}

absl::Status ComputePlane::Failure(SequenceId id) {
  const MutexLock lock(&shared_.mutex);
  return sequences_.at(id)->failure;
}

const std::vector<TokenValue>* ComputePlane::PromptLogprobs(SequenceId id) {
  // Written before the first value was published, which the caller has seen.
  return &sequences_.at(id)->prompt_logprobs;
}

const std::vector<float>* ComputePlane::PromptVectorOf(SequenceId id) {
  return &sequences_.at(id)->prompt_vector;
}

void ComputePlane::End(SequenceId id) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  {
    const MutexLock lock(&shared_.mutex);
    found->second->ended = true;
    MarkChanged(found->second);
  }
  backend_->Wake();
  sequences_.erase(found);
}

PlaneCounters ComputePlane::counters() const {
  PlaneCounters counters;
  {
    const MutexLock lock(&shared_.mutex);
    counters = shared_.counters;
  }
  if (vitals_ != nullptr) {
    counters.chains = {{.state = vitals_->state,
                        .generation = vitals_->generation,
                        .silence = Nanoseconds(vitals_->silence_ns),
                        .outage_lasts = Nanoseconds(vitals_->outage_ns),
                        .outage = counters.outage}};
  }
  return counters;
}

bool ComputePlane::out() const {
  const MutexLock lock(&shared_.mutex);
  return !shared_.counters.outage.empty();
}

bool ComputePlane::Stranded(SequenceId id) const {
  using Stage = ComputeSequence::Stage;
  const ComputeSequence& sequence = *sequences_.at(id);
  const Stage stage = sequence.stage;
  return out() && !sequence.complete && stage != Stage::kResident && stage != Stage::kOver;
}

}  // namespace waferline::plane
