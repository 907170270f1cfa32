// One client request from its charge to its last outcome, whatever protocol it came by:
//
//   Charge the tenant's budget -> Submit one sequence a choice -> Resume and Cancel while they run
//   -> each sequence's end is recorded in the ledger -> after the last one the charge is settled
//
// With a usage database each sequence is opened there before the engine has it, without waiting for
// it (but a tenant with a hard cap: its sequences wait for the hold), and the front end learns of
// an end after its record is committed. A record that is not confirmed in time ends the answer with
// an error; it is kept all the same.
//
// Laws: what was charged is settled exactly once, whatever ends the request; every sequence that
// the engine accepted ends exactly once, and has one usage record.
//
// Owner: shared by the front end's writer and by the sinks, so it lives until the last outcome,
// which may come after the client disconnected. Thread: Charge and Submit once, in this order, on
// one thread; Resume and Cancel on any; RecordSent and RecordAnswered on one thread at a time; ends
// come on the engine's or the meter's. Lock order: its lock before Budgets'. Bounds: kMaxChoices
// sequences. A token costs the session nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "scheduler/request/front_door.h"
#include "scheduler/request/token_sink.h"
#include "scheduler/request/valid_request.h"
#include "server/serving/server_deps.h"
#include "server/trace/request_trace.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::serving {

class RequestSession;

// A front end's sink. Its session records how the sequence ended before the front end handles it:
// the engine's calls come first, HandleRefusal or HandleOutcome last, perhaps on another thread.
class SessionSink : public TokenSink {
 public:
  void OnRefused(const Refusal& refusal) final;
  void OnOutcome(const Outcome& outcome) final;

 protected:
  virtual void HandleRefusal(const Refusal& refusal) = 0;
  virtual void HandleOutcome(const Outcome& outcome) = 0;

 private:
  friend class RequestSession;
  std::shared_ptr<RequestSession> session_;  // set before the engine has the sink
  size_t sequence_ = 0;
};

// What a session is about.
struct SessionSubject {
  tenancy::Caller caller;  // its tenant pays
  std::string model;
  std::string endpoint;  // for the usage record: the route, or "grpc"
  std::string request_id;
  Nanoseconds received;  // host time: the whole request was here
  std::optional<trace::Tracer::Started> trace;
};

class RequestSession : public std::enable_shared_from_this<RequestSession> {
 public:
  RequestSession(const ServerDeps* deps, SessionSubject subject);
  ~RequestSession();
  RequestSession(const RequestSession&) = delete;
  RequestSession& operator=(const RequestSession&) = delete;

  // Takes what the requests may use at most from the tenant's budget. A refusal (ResourceExhausted)
  // if there is not enough, or if the process has no memory for it or
  // usage cannot be recorded now (Unavailable); then nothing is charged.
  std::optional<Refusal> Charge(std::span<const ValidRequest> requests);
  // After Charge: names the usage record of the first choice; "" if none is kept.
  std::string UsageIdText() const;
  // What the choices that ended cost, in dollars; "" where answers do not say it.
  std::string CostText() const;
  // x-ratelimit-* of the tenant.
  tenancy::Budgets::Headers BudgetHeaders() const;

  struct Sequence {
    ValidRequest request;
    std::shared_ptr<SessionSink> sink;
  };
  // Hands all sequences to the engine, or none: a mailbox that fills up in between cancels the
  // first ones. A refusal (Unavailable, with a hint when to retry) if the mailbox is full or
  // closed; the sinks of sequences that were not accepted are never called. Where the sequences
  // wait for a hold there is no refusal here: it comes to the sinks, as the engine's would.
  std::optional<Refusal> Submit(std::vector<Sequence> sequences);

  // The reader of a sink that said kFull has caught up.
  void Resume(size_t sequence);
  // The client disconnected, or does not want the rest. Never lost, not even before Submit.
  void Cancel();

  // A message with this many generated tokens goes out now.
  void RecordSent(uint32_t tokens);
  // The answer is complete and handed to the transport.
  void RecordAnswered();

 private:
  friend class SessionSink;
  struct InFlight {
    std::optional<Ticket> ticket;  // none while its Submit is under way
    bool resume_wanted = false;    // Resume came before the ticket
    bool ended = false;
    std::shared_ptr<SessionSink> sink;  // with usage records: until the engine or Submit ends it
  };

  Nanoseconds Now() const { return deps_->clock.monotonic(); }
  void OnRefused(const absl::Status& why);
  std::optional<Refusal> ChargeBudget(std::span<const ValidRequest> requests);
  tenancy::Budgets::Payer Payer() const {
    return {subject_.caller.tenant, subject_.caller.project};
  }
  void CountRefused(const char* why) {
    deps_->metrics->OnTurnedAway(why);
    deps_->metrics->OnTenantRefused(subject_.caller.tenant, why);
  }
  // The numbers of requests that were refused for good, so that a trace's later ones may come.
  void SkipArrivals(std::span<const ValidRequest> requests);
  std::optional<Refusal> Admit(std::span<const ValidRequest> requests);
  // Submit, once the sequences may go: gives the number that the engine accepted, and why not all.
  std::pair<size_t, std::optional<Refusal>> HandOver(std::vector<ValidRequest> requests);
  void OnHeld(std::vector<ValidRequest> requests, const absl::Status& held);
  // These were never the engine's: gives their sinks.
  std::vector<std::shared_ptr<SessionSink>> WithdrawFrom(size_t first);
  // After End, with usage records.
  void RecordUsage(size_t sequence, const Outcome& outcome);
  void Accept(size_t sequence, Ticket ticket);
  // `outcome` is null if the engine refused the sequence.
  void End(size_t sequence, const Outcome* outcome);
  void Settle(size_t ended, int64_t used_tokens) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ServerDeps* const deps_;
  const SessionSubject subject_;
  std::unique_ptr<trace::RequestTrace> trace_;     // null: it is not traced; set by Charge
  std::shared_ptr<metering::RequestUsage> usage_;  // null: none is recorded; set by Charge
  bool nothing_sent_ = true;

  Mutex mutex_;
  std::vector<InFlight> in_flight_ ABSL_GUARDED_BY(mutex_);
  size_t open_ ABSL_GUARDED_BY(mutex_) = 0;  // sequences without an end
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<int64_t> charged_tokens_ ABSL_GUARDED_BY(mutex_);  // until they are settled
  int64_t used_tokens_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace waferline::serving
