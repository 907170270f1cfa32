#include "server/serving/request_session.h"

#include <tuple>
#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::serving {
namespace {

// A full mailbox is empty again after one turn of the engine; a closed one (draining) has another
// server behind the same address by then, or none at all.
constexpr Nanoseconds kMailboxRetry = Seconds(1);
// A locked file or a failed-over server is usually back by then.
constexpr Nanoseconds kDatabaseRetry = Seconds(2);

// The choices of a request share it. What serves is known at the end.
std::string TierAsked(std::span<const ValidRequest> requests) {
  if (!requests.empty() && requests.front().of_batch) return "batch";
  const ServiceTier asked = requests.empty() ? ServiceTier::kAuto : requests.front().tier;
  return std::string(NameOf(ServedTier(asked, std::nullopt)));
}

}  // namespace

void SessionSink::OnRefused(const Refusal& refusal) {
  session_->OnRefused(refusal.status);
  session_->End(sequence_, nullptr);
  if (session_->usage_ != nullptr) session_->usage_->Withdraw(static_cast<int64_t>(sequence_));
  HandleRefusal(refusal);
}

void SessionSink::OnOutcome(const Outcome& outcome) {
  session_->End(sequence_, &outcome);
  if (session_->usage_ == nullptr) return HandleOutcome(outcome);
  session_->RecordUsage(sequence_, outcome);
}

RequestSession::RequestSession(const ServerDeps* deps, SessionSubject subject)
    : deps_(deps), subject_(std::move(subject)) {}

// Nothing is in flight: charged and never submitted.
RequestSession::~RequestSession() {
  MutexLock lock(&mutex_);
  if (in_flight_.empty()) Settle(0, 0);
}

std::optional<Refusal> RequestSession::Charge(std::span<const ValidRequest> requests) {
  if (subject_.trace && subject_.trace->recorded) {
    trace_ = std::make_unique<trace::RequestTrace>(
        deps_->tracer, *subject_.trace,
        trace::TracedRequest{.model = subject_.model,
                             .operation = trace::OperationOf(subject_.endpoint),
                             .request_id = subject_.request_id,
                             .choices = requests.size(),
                             .received = subject_.received});
  }
  auto refusal = ChargeBudget(requests);
  if (refusal) OnRefused(refusal->status);
  return refusal;
}

void RequestSession::OnRefused(const absl::Status& why) {
  if (trace_ != nullptr) trace_->OnRefused(why);
  deps_->log->OnRefused(subject_, why, Now() - subject_.received);
}

std::optional<Refusal> RequestSession::ChargeBudget(std::span<const ValidRequest> requests) {
  if (absl::Status full = deps_->memory->Check(); !full.ok()) {
    deps_->metrics->OnTurnedAway("memory");
    return Refusal{.status = std::move(full)};
  }
  int64_t tokens = 0;
  for (const ValidRequest& request : requests) {
    tokens += static_cast<int64_t>(request.prompt->size()) + request.max_tokens;
  }
  if (const auto over = deps_->budgets->Charge(Payer(), tokens, Now())) {
    CountRefused("budget");
    SkipArrivals(requests);
    return Refusal{.status = over->status, .retry_after = over->retry_after};
  }
  {
    MutexLock lock(&mutex_);
    charged_tokens_ = tokens;
  }
  return Admit(requests);
}

void RequestSession::SkipArrivals(std::span<const ValidRequest> requests) {
  for (const ValidRequest& request : requests) {
    if (request.own_arrival) deps_->front_door->Skip(*request.own_arrival);
  }
}

std::optional<Refusal> RequestSession::Admit(std::span<const ValidRequest> requests) {
  metering::UsageRequest request{.subject = {.tenant = subject_.caller.tenant,
                                             .project = subject_.caller.project,
                                             .api_key = subject_.caller.key_id,
                                             .plan = subject_.caller.plan,
                                             .model = subject_.model,
                                             .asked = TierAsked(requests),
                                             .tier = TierAsked(requests),
                                             .endpoint = subject_.endpoint,
                                             .request_id = subject_.request_id},
                                 .choices = requests,
                                 .capped = subject_.caller.capped};
  auto usage = deps_->meter->Admit(request);
  if (!usage.ok()) {
    CountRefused("usage");
    const bool passes = absl::IsUnavailable(usage.status());
    if (!passes) SkipArrivals(requests);
    return Refusal{.status = usage.status(),
                   .retry_after = passes ? kDatabaseRetry : Nanoseconds(0)};
  }
  usage_ = *std::move(usage);
  return std::nullopt;
}

std::string RequestSession::UsageIdText() const {
  return usage_ == nullptr ? "" : usage_->id().Text();
}

std::string RequestSession::CostText() const { return usage_ == nullptr ? "" : usage_->CostText(); }

tenancy::Budgets::Headers RequestSession::BudgetHeaders() const {
  return deps_->budgets->Describe(subject_.caller.tenant, Now());
}

std::optional<Refusal> RequestSession::Submit(std::vector<Sequence> sequences) {
  std::vector<ValidRequest> requests;
  {
    MutexLock lock(&mutex_);
    WL_CHECK(in_flight_.empty());
    in_flight_.resize(sequences.size());
    open_ = sequences.size();
    for (size_t i = 0; i < sequences.size(); ++i) {
      auto& [request, sink] = sequences[i];
      sink->session_ = shared_from_this();
      sink->sequence_ = i;
      if (usage_ != nullptr) in_flight_[i].sink = sink;
      if (trace_ != nullptr) trace_->Watch(sink.get(), i);
      request.sink = std::move(sink);
      requests.push_back(std::move(request));
    }
  }
  if (usage_ != nullptr && usage_->waits()) {
    auto held = std::make_shared<std::vector<ValidRequest>>(std::move(requests));
    usage_->Open([self = shared_from_this(), held](const absl::Status& status) {
      self->OnHeld(std::move(*held), status);
    });
    return std::nullopt;
  }
  if (usage_ != nullptr) usage_->Open(nullptr);
  auto [accepted, refusal] = HandOver(std::move(requests));
  if (refusal) WithdrawFrom(accepted);
  if (refusal) OnRefused(refusal->status);
  return refusal;
}

std::pair<size_t, std::optional<Refusal>> RequestSession::HandOver(
    std::vector<ValidRequest> requests) {
  for (size_t i = 0; i < requests.size(); ++i) {
    const absl::StatusOr<Ticket> ticket = deps_->front_door->Submit(std::move(requests[i]));
    if (ticket.ok()) {
      Accept(i, *ticket);
      continue;
    }
    Cancel();
    MutexLock lock(&mutex_);
    Settle(requests.size() - i, 0);
    return {i, Refusal{.status = ticket.status(), .retry_after = kMailboxRetry}};
  }
  return {requests.size(), std::nullopt};
}

void RequestSession::OnHeld(std::vector<ValidRequest> requests, const absl::Status& held) {
  size_t accepted = 0;
  std::optional<Refusal> refusal;
  if (held.ok()) {
    std::tie(accepted, refusal) = HandOver(std::move(requests));
  } else {
    const bool over = absl::IsResourceExhausted(held);
    if (over) SkipArrivals(requests);
    CountRefused(over ? "spend" : "usage");
    refusal = Refusal{.status = held, .retry_after = over ? Nanoseconds(0) : kDatabaseRetry};
    MutexLock lock(&mutex_);
    Settle(requests.size(), 0);
  }
  if (!refusal) return;
  OnRefused(refusal->status);
  for (const auto& sink : WithdrawFrom(accepted)) sink->HandleRefusal(*refusal);
}

std::vector<std::shared_ptr<SessionSink>> RequestSession::WithdrawFrom(size_t first) {
  std::vector<std::shared_ptr<SessionSink>> sinks;
  {
    MutexLock lock(&mutex_);
    for (size_t i = first; i < in_flight_.size(); ++i) {
      sinks.push_back(std::move(in_flight_[i].sink));
    }
  }
  if (usage_ == nullptr) return {};
  for (size_t i = first; i < first + sinks.size(); ++i) usage_->Withdraw(static_cast<int64_t>(i));
  return sinks;
}

// The engine may have called the sink, and the client may have gone, before the ticket is known.
void RequestSession::Accept(size_t sequence, Ticket ticket) {
  bool cancel, resume;
  {
    MutexLock lock(&mutex_);
    in_flight_[sequence].ticket = ticket;
    cancel = cancelled_;
    resume = in_flight_[sequence].resume_wanted;
  }
  if (cancel) deps_->front_door->Cancel(ticket);
  if (resume) deps_->front_door->Resume(ticket);
}

void RequestSession::Resume(size_t sequence) {
  std::optional<Ticket> ticket;
  {
    MutexLock lock(&mutex_);
    ticket = in_flight_[sequence].ticket;
    in_flight_[sequence].resume_wanted = true;
  }
  if (ticket) deps_->front_door->Resume(*ticket);
}

void RequestSession::Cancel() {
  std::vector<Ticket> tickets;
  {
    MutexLock lock(&mutex_);
    cancelled_ = true;
    for (const InFlight& one : in_flight_) {
      if (one.ticket && !one.ended) tickets.push_back(*one.ticket);
    }
  }
  for (const Ticket ticket : tickets) deps_->front_door->Cancel(ticket);
}

void RequestSession::RecordSent(uint32_t tokens) {
  if (std::exchange(nothing_sent_, false)) {
    deps_->metrics->OnHostFirstToken(subject_.model, Now() - subject_.received);
  }
  deps_->metrics->OnStreamEvent(subject_.model, tokens);
}

void RequestSession::RecordAnswered() {
  deps_->metrics->OnHostEnd(subject_.model, Now() - subject_.received);
  if (trace_ != nullptr) trace_->OnAnswered();
}

void RequestSession::End(size_t sequence, const Outcome* outcome) {
  if (outcome != nullptr) deps_->ledger->Record(subject_.caller.tenant, subject_.model, *outcome);
  if (outcome != nullptr && trace_ != nullptr) trace_->OnOutcome(sequence, *outcome);
  if (outcome != nullptr) deps_->log->OnEnd(subject_, *outcome, Now() - subject_.received);
  MutexLock lock(&mutex_);
  WL_CHECK(!std::exchange(in_flight_[sequence].ended, true));
  if (outcome == nullptr) in_flight_[sequence].sink.reset();
  Settle(1, outcome == nullptr
                ? 0
                : static_cast<int64_t>(outcome->prompt_tokens) + outcome->generated_tokens);
}

// What the client did not get in full is an error even if it was generated: its record is kept, and
// says so.
void RequestSession::RecordUsage(size_t sequence, const Outcome& outcome) {
  std::shared_ptr<SessionSink> sink;
  {
    MutexLock lock(&mutex_);
    sink = std::move(in_flight_[sequence].sink);
  }
  const metering::PostedCounts posted = usage_->Post(static_cast<int64_t>(sequence), outcome,
                                                     [sink, outcome](const absl::Status& recorded) {
                                                       Outcome known = outcome;
                                                       if (!recorded.ok() && known.status.ok()) {
                                                         known.reason = FinishReason::kFailed;
                                                         known.status = recorded;
                                                       }
                                                       sink->HandleOutcome(known);
                                                     });
  deps_->metrics->OnTenantUse(subject_.caller.tenant, {.prompt_tokens = posted.tokens.prompt,
                                                       .cached_tokens = posted.tokens.cached,
                                                       .generated_tokens = posted.tokens.generated,
                                                       .cost_pico = posted.cost_pico});
}

// So many more sequences have ended; after the last one the budget gets back what was not used.
void RequestSession::Settle(size_t ended, int64_t used_tokens) {
  open_ -= ended;
  used_tokens_ += used_tokens;
  if (open_ > 0 || !charged_tokens_) return;
  deps_->budgets->Settle(
      Payer(), {.charged = *std::exchange(charged_tokens_, std::nullopt), .used = used_tokens_},
      Now());
}

}  // namespace waferline::serving
