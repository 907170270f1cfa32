#include "wafer_backend/compute/plane/remote_backend.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/retry_hint.h"
#include "wafer_backend/base/status.h"
#include "wafer_backend/compute/shard/kv_pages.h"

namespace waferline::plane {
namespace {

constexpr Nanoseconds kPoll = Milliseconds(50);
constexpr Nanoseconds kFirstPatience = Seconds(10);
constexpr Nanoseconds kBetweenFirst = Milliseconds(100);  // attempts, when all are still starting
// A worker that is gone may come back, another driver's may become free.
bool MayEndByItself(const absl::Status& loss) {
  return absl::IsUnavailable(loss) || absl::IsDeadlineExceeded(loss) || absl::IsAlreadyExists(loss);
}

RemoteOptions Completed(RemoteOptions options) {
  if (options.vitals == nullptr) options.vitals = std::make_shared<ChainVitals>();
  if (options.generations == nullptr) {
    options.generations =
        std::make_shared<std::atomic<uint64_t>>(options.credentials.fence.generation);
  }
  return options;
}

}  // namespace

RemoteBackend::RemoteBackend(const RemoteOptions& options)
    : options_(Completed(options)),
      reactor_(options.liveness, {options.tls}),
      shards_(&reactor_, {.endpoints = options.shards,
                          .role = options.attention ? link::Role::kAttention : link::Role::kShard,
                          .standbys = options.standbys,
                          .chain = options.chain,
                          .fingerprint = options.fingerprint,
                          .patience = options.liveness.patience,
                          .step_patience = options.step_patience,
                          .credentials = options.credentials,
                          .generations = options_.generations,
                          .vitals = options_.vitals}),
      prefill_(&reactor_, {options.prefill, options.fingerprint, options.liveness.patience,
                           options.between_attempts}) {}

absl::StatusOr<std::unique_ptr<RemoteBackend>> RemoteBackend::Create(const RemoteOptions& options) {
  if (options.shards.empty() || options.prefill.empty()) {
    return absl::InvalidArgumentError(
        "remote compute needs the endpoints of the shards and of a prefill worker");
  }
  std::unique_ptr<RemoteBackend> backend(new RemoteBackend(options));
  WL_RETURN_IF_ERROR(backend->ConnectFirst());
  if (backend->facts_.slots < options.sequences) {
    return absl::FailedPreconditionError(
        absl::StrCat("the shards hold ", backend->facts_.slots,
                     " sequences at once, the model's decode units run up to ", options.sequences,
                     " (units x max_running); lower max_running"));
  }
  return backend;
}

absl::Status RemoteBackend::ConnectFirst() {
  const Nanoseconds deadline = reactor_.Now() + std::min(kFirstPatience, options_.max_outage);
  Nanoseconds next_attempt;
  absl::Status last;
  // Workers may still be starting: tries again until the deadline.
  while (reactor_.Now() < deadline) {
    if (reactor_.Now() >= next_attempt) {
      shards_.Build();
      next_attempt = reactor_.Now() + kBetweenFirst;
    }
    if (shards_.state() == RemoteShards::State::kUp) {
      WL_RETURN_IF_ERROR(prefill_.CheckPages(shards_.hellos()[0].page_tokens));
    }
    prefill_.KeepUp(shards_.credentials(), shards_);
    if (Ready()) {
      ReadFacts();
      return absl::OkStatus();
    }
    reactor_.Turn(kPoll);
    shards_.Watch();
    prefill_.Watch();
    const PrefillPool::Losses losses = prefill_.TakeLosses();
    for (const absl::Status& loss : {shards_.TakeLoss().why, losses.why, losses.shards}) {
      if (loss.ok()) continue;
      if (!MayEndByItself(loss)) {
        return loss;  // waiting would not help
      }
      last = loss;
    }
  }
  if (last.ok()) last = absl::UnavailableError("no answer from the shards and the prefill worker");
  return last;
}

void RemoteBackend::ReadFacts() {
  const auto& hellos = shards_.hellos();
  facts_ = {};
  facts_.vocabulary = hellos.back().vocabulary;
  facts_.context = hellos.back().context;
  facts_.slots = hellos[0].slots;
  facts_.max_rows = hellos[0].max_rows;
  for (size_t i = 0; i < hellos.size(); ++i) {
    facts_.slots = std::min(facts_.slots, hellos[i].slots);
    facts_.max_rows = std::min<int64_t>(facts_.max_rows, hellos[i].max_rows);
    const link::MemoryFrame& memory = shards_.memory()[i];
    facts_.memory.push_back({.capacity = Bytes(static_cast<int64_t>(memory.capacity)),
                             .weights = Bytes(static_cast<int64_t>(memory.weights)),
                             .buffers = Bytes(static_cast<int64_t>(memory.buffers)),
                             .kv_per_page = Bytes(static_cast<int64_t>(memory.kv_per_page)),
                             .page_tokens = Tokens(hellos[i].page_tokens)});
  }
  // A step's logits must fit into one frame.
  const auto floats = static_cast<int64_t>((link::kMaxFrameBytes >> 1) / sizeof(float));
  facts_.max_rows = std::min(facts_.max_rows, std::max<int64_t>(1, floats / facts_.vocabulary));
}

bool RemoteBackend::Ready() const {
  return shards_.state() == RemoteShards::State::kUp && prefill_.ready();
}

void RemoteBackend::Prefill(prefill::PrefillJob job) {
  prefill_pages_[job.id] = shard::PagesFor(static_cast<int64_t>(job.tokens.size()),
                                           facts_.memory[0].page_tokens.count());
  prefill_tokens_ += job.tokens.size();
  held_.push_back(std::move(job));
}

void RemoteBackend::HandOff(uint64_t job, uint32_t slot, uint32_t positions) {
  job_of_slot_[slot] = job;
  moving_[job] = {slot, positions, false};
}

void RemoteBackend::Forget(uint64_t job) {
  prefill_pages_.erase(job);
  moving_.erase(job);
  std::erase_if(pending_.prefilled, [job](const auto& result) { return result.id == job; });
  std::erase_if(pending_.handed_off, [job](const auto& ended) { return ended.job == job; });
  if (std::erase_if(held_, [job](const auto& held) { return held.id == job; }) == 0) {
    prefill_.Cancel(job);
  }
}

void RemoteBackend::Close(uint32_t slot) {
  const auto found = job_of_slot_.find(slot);
  if (found == job_of_slot_.end()) return;
  shards_.Close(slot, found->second);
  job_of_slot_.erase(found);
  if (shards_.state() == RemoteShards::State::kUp) shards_.AskMemory();  // for Count
}

absl::Status RemoteBackend::Step(const link::TokenFrame& tokens, link::LogitsFrame* logits) {
  if (shards_.state() != RemoteShards::State::kUp) {
    return absl::UnavailableError("the decode shards are down");
  }
  shards_.StartStep(tokens, logits);
  while (!shards_.StepDone()) {
    reactor_.Turn(kPoll);
    shards_.Watch();
    ReportVitals();
  }
  return shards_.step_status();
}

void RemoteBackend::StartMoves() {
  for (; !held_.empty() && prefill_.ready(); held_.pop_front()) {
    prefill_.Submit(std::move(held_.front()));
  }
  for (auto& [job, moving] : moving_) {
    if (std::exchange(moving.sent, true)) continue;
    shards_.Open(moving.slot, moving.positions, job);
    if (shards_.state() != RemoteShards::State::kUp) break;
  }
}

void RemoteBackend::TakeOpened() {
  for (const RemoteShards::Opened& opened : shards_.TakeOpened()) {
    const auto moving = moving_.find(opened.job);
    if (moving == moving_.end()) continue;
    if (opened.status.ok()) {
      prefill_.HandOff(opened.job, moving->second.slot);
      continue;
    }
    prefill_.Cancel(opened.job);
    prefill_pages_.erase(opened.job);
    moving_.erase(moving);
    pending_.handed_off.push_back({opened.job, opened.status});
  }
}

bool RemoteBackend::Turn(bool, BackendEvents* events) {
  reactor_.Turn(Nanoseconds(0));
  shards_.Watch();
  prefill_.Watch();
  ReportVitals();
  TakeLosses();
  KeepUp();
  if (Ready()) {
    StartMoves();
    TakeOpened();
  } else {
    GiveUp();
  }
  TakeLosses();
  prefill_.TakeResults(&pending_);
  for (const auto& result : pending_.prefilled) {
    if (!result.status.ok()) prefill_pages_.erase(result.id);
  }
  // A hand-off that failed because a link broke is reported by its loss; whichever comes first.
  std::erase_if(pending_.handed_off, [this](const BackendEvents::HandedOff& ended) {
    moving_.erase(ended.job);
    prefill_pages_.erase(ended.job);
    if (!absl::IsUnavailable(ended.status) || RetryAfterOf(ended.status)) return false;
    pending_.lost.push_back({ended.job, LossCause::kShard, std::string(ended.status.message())});
    return true;
  });
  const bool any = !pending_.empty();
  std::swap(*events, pending_);
  const bool memory_changed = shards_.TakeMemoryChanged();
  return std::exchange(outage_changed_, false) || memory_changed || any;
}

void RemoteBackend::ReportVitals() const {
  const Nanoseconds silence = std::max(shards_.silence(), prefill_.silence());
  options_.vitals->silence_ns = silence.count();
  options_.vitals->outage_ns = outage_.empty() ? 0 : (reactor_.Now() - outage_since_).count();
}

void RemoteBackend::Wait() { reactor_.Turn(kPoll); }

void RemoteBackend::Count(PlaneCounters* counters) const {
  counters->prefill_tokens = prefill_tokens_;
  counters->reports_pending = shards_.reports_pending();
  counters->outage = outage_;
  counters->activation_bytes.clear();
  counters->kv_reserved.clear();
  counters->expert_tokens.clear();
  counters->expert_bytes.clear();
  counters->feed_forward_bytes.clear();
  for (size_t i = 0; i < shards_.memory().size(); ++i) {
    const link::MemoryFrame& memory = shards_.memory()[i];
    counters->kv_reserved.push_back(Bytes(static_cast<int64_t>(memory.kv_reserved)));
    AddExpertTokens(memory.expert_tokens, counters);
    (options_.attention ? counters->feed_forward_bytes : counters->expert_bytes)
        .push_back({memory.worker_frames, memory.worker_payload, memory.worker_framing});
    if (i + 1 == shards_.memory().size()) break;
    counters->activation_bytes.push_back(
        {memory.sent_frames, memory.sent_payload, memory.sent_framing});
  }
  int64_t pages = 0;
  for (const auto& [job, count] : prefill_pages_) pages += count;
  Bytes page;
  for (const ShardMemory& memory : facts_.memory) page += memory.kv_per_page;
  counters->prefill_kv = pages * page;
}

}  // namespace waferline::plane
