#include "server/serving/request_session.h"

#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::serving {
namespace {

// A full mailbox is empty again after one turn of the engine; a closed one (draining) has another
// server behind the same address by then, or none at all.
constexpr Nanoseconds kMailboxRetry = Seconds(1);

}  // namespace

void SessionSink::OnRefused(const Refusal& refusal) {
  session_->End(sequence_, nullptr);
  HandleRefusal(refusal);
}

void SessionSink::OnOutcome(const Outcome& outcome) {
  session_->End(sequence_, &outcome);
  HandleOutcome(outcome);
}

RequestSession::RequestSession(const ServerDeps* deps, SessionSubject subject)
    : deps_(deps), subject_(std::move(subject)) {}

// Nothing is in flight: charged and never submitted.
RequestSession::~RequestSession() {
  MutexLock lock(&mutex_);
  if (in_flight_.empty()) Settle(0, 0);
}

std::optional<Refusal> RequestSession::Charge(std::span<const ValidRequest> requests) {
  int64_t tokens = 0;
  for (const ValidRequest& request : requests) {
    tokens += static_cast<int64_t>(request.prompt->size()) + request.max_tokens;
  }
  if (const auto over = deps_->budgets->Charge(subject_.tenant, tokens, Now())) {
    deps_->metrics->OnTurnedAway("budget");
    return Refusal{.status = over->status, .retry_after = over->retry_after};
  }
  MutexLock lock(&mutex_);
  charged_tokens_ = tokens;
  return std::nullopt;
}

tenancy::Budgets::Headers RequestSession::BudgetHeaders() const {
  return deps_->budgets->Describe(subject_.tenant, Now());
}

std::optional<Refusal> RequestSession::Submit(std::vector<Sequence> sequences) {
  {
    MutexLock lock(&mutex_);
    WL_CHECK(in_flight_.empty());
    in_flight_.resize(sequences.size());
    open_ = sequences.size();
  }
  for (size_t i = 0; i < sequences.size(); ++i) {
    auto& [request, sink] = sequences[i];
    sink->session_ = shared_from_this();
    sink->sequence_ = i;
    request.sink = std::move(sink);
    const absl::StatusOr<Ticket> ticket = deps_->front_door->Submit(std::move(request));
    if (ticket.ok()) {
      Accept(i, *ticket);
      continue;
    }
    Cancel();
    MutexLock lock(&mutex_);
    Settle(sequences.size() - i, 0);
    return Refusal{.status = ticket.status(), .retry_after = kMailboxRetry};
  }
  return std::nullopt;
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
}

void RequestSession::End(size_t sequence, const Outcome* outcome) {
  if (outcome != nullptr) deps_->ledger->Record(subject_.tenant, subject_.model, *outcome);
  MutexLock lock(&mutex_);
  WL_CHECK(!std::exchange(in_flight_[sequence].ended, true));
  Settle(1, outcome == nullptr
                ? 0
                : static_cast<int64_t>(outcome->prompt_tokens) + outcome->generated_tokens);
}

// So many more sequences have ended; after the last one the budget gets back what was not used.
void RequestSession::Settle(size_t ended, int64_t used_tokens) {
  open_ -= ended;
  used_tokens_ += used_tokens;
  if (open_ > 0 || !charged_tokens_) return;
  deps_->budgets->Settle(subject_.tenant, *std::exchange(charged_tokens_, std::nullopt),
                         used_tokens_, Now());
}

}  // namespace waferline::serving
