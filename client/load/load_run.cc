#include "client/load/load_run.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::load {
namespace {

using Clock = std::chrono::steady_clock;

// How often the caller hears of the progress, and may end the run.
constexpr Nanoseconds kReportEvery = Milliseconds(100);

// The requests that follow each other with all that was said.
struct Conversation {
  uint32_t number = 0;
  uint32_t turn = 0;
  std::vector<sdk::ChatTurn> said;
  Nanoseconds due;  // of the next request
};

class LoadRunner {
 public:
  LoadRunner(sdk::TokenClient& client, const LoadSettings& settings,
             const std::function<bool(const LoadProgress&)>& report)
      : client_(client),
        settings_(settings),
        report_(report),
        conversations_((settings.requests + settings.turns - 1) / settings.turns),
        limit_(settings.arrival.concurrency.value_or(settings.requests)),
        start_(Clock::now()) {
    if (settings.arrival.rate_per_second) {
      instants_ = PoissonInstants(conversations_, *settings.arrival.rate_per_second, settings.seed);
    }
  }

  LoadResult Execute() {
    while (const std::shared_ptr<Conversation> next = Next()) Send(next);
    return Collect();
  }

 private:
  struct InFlight {
    RequestRecord record;
    std::shared_ptr<Conversation> conversation;
    RequestManner manner;
    std::string answer;      // where another turn follows
    uint64_t tokens = 0;     // that came
    bool to_cancel = false;  // guarded by mutex_, like what follows
    std::shared_ptr<sdk::TokenClient::Call> call;
    bool ended = false;
  };

  Nanoseconds Now() const {
    return Nanoseconds(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_).count());
  }

  // What is to be sent next, once it is due and has a place. Null: all was sent and has ended, or
  // the run is to end.
  std::shared_ptr<Conversation> Next() {
    while (!stopped_) {
      Nanoseconds patience = kReportEvery;
      {
        MutexLock lock(&mutex_);
        if (!going_on_.empty()) {
          auto next = std::move(going_on_.front());
          going_on_.pop_front();
          return next;
        }
        if (begun_ == conversations_ && open_ == 0) return nullptr;
        if (begun_ < conversations_ && open_ < limit_) {
          const Nanoseconds due = DueOf(begun_);
          const Nanoseconds left = due - Now();
          if (left <= Nanoseconds(0)) return Begin(due);
          patience = std::min(patience, left);
        }
        const uint64_t seen = landings_;
        landed_.WaitFor(&mutex_, patience, [this, seen]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return landings_ != seen;
        });
      }
      if (Now() - reported_ >= kReportEvery) Report();
    }
    return nullptr;
  }

  // In a closed loop a conversation is due when a place is free, at the run's start or by an end.
  Nanoseconds DueOf(uint32_t number) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!instants_.empty()) return instants_[number];
    return number < limit_ ? Nanoseconds(0) : ends_[number - limit_];
  }

  std::shared_ptr<Conversation> Begin(Nanoseconds due) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto conversation = std::make_shared<Conversation>();
    conversation->number = begun_++;
    conversation->due = due;
    ++open_;
    return conversation;
  }

  void Send(const std::shared_ptr<Conversation>& conversation) {
    const uint32_t index = conversation->number * settings_.turns + conversation->turn;
    sdk::GenerateSpec spec = settings_.traced ? settings_.traced(index) : settings_.request;
    auto flight = std::make_shared<InFlight>();
    flight->manner =
        MannerOf(settings_.manners, {settings_.seed, index, spec.max_tokens.value_or(1)});
    spec.read_pause = flight->manner.read_pause;
    if (!settings_.traced) spec.prompt = PromptOf(*conversation);
    flight->conversation = conversation;
    flight->record.index = index;
    flight->record.scheduled = conversation->due;
    {
      MutexLock lock(&mutex_);
      flights_.push_back(flight);
      ++in_flight_;
    }
    flight->record.sent = Now();
    // The record is the client's thread's from here to the end of the request.
    auto call =
        client_.Start(spec, {.on_piece = [this, flight](const auto& p) { OnPiece(*flight, p); },
                             .on_end = [this, flight](const auto& e) { OnEnd(*flight, e); }});
    {
      MutexLock lock(&mutex_);
      if (flight->ended) return;
      flight->call = call;
      if (!flight->to_cancel) return;
    }
    call->Cancel();
  }

  Prompt PromptOf(Conversation& conversation) const {
    const Prompt& prompt = settings_.prompts[conversation.number % settings_.prompts.size()];
    if (settings_.turns == 1) return prompt;
    if (conversation.turn == 0) conversation.said = std::get<std::vector<sdk::ChatTurn>>(prompt);
    return conversation.said;
  }

  void OnPiece(InFlight& flight, const sdk::Piece& piece) {
    RequestRecord& record = flight.record;
    record.arrivals.push_back({.at = Now(), .tokens = piece.tokens});
    const Nanoseconds came = record.arrivals.back().at - record.sent;
    for (const Nanoseconds instant : piece.instants) record.instants.emplace_back(instant, came);
    if (!piece.instants.empty()) {
      if (!record.emulated_first) record.emulated_first = piece.instants.front();
      record.emulated_last = piece.instants.back();
    }
    if (settings_.turns > 1) flight.answer += piece.text;
    flight.tokens += std::max<uint32_t>(piece.tokens, 1);
    tokens_ += std::max<uint32_t>(piece.tokens, 1);
    if (flight.manner.cancel_after && flight.tokens >= *flight.manner.cancel_after) {
      CancelOnce(flight);
    }
  }

  void CancelOnce(InFlight& flight) {
    if (std::exchange(flight.record.cancelled, true)) return;
    std::shared_ptr<sdk::TokenClient::Call> call;
    {
      MutexLock lock(&mutex_);
      flight.to_cancel = true;
      call = flight.call;
    }
    if (call != nullptr) call->Cancel();
  }

  void OnEnd(InFlight& flight, const sdk::Ending& ending) {
    RequestRecord& record = flight.record;
    record.ended = Now();
    record.status = ending.status;
    // It may have ended before it was cancelled.
    record.cancelled = record.cancelled && !ending.status.ok();
    record.finish_reason = ending.finish_reason;
    record.prompt_tokens = ending.prompt_tokens;
    record.completion_tokens = ending.completion_tokens;
    if (ending.times && !record.emulated_first) {
      record.emulated_first =
          ending.times->first_token.value_or(ending.times->queue + ending.times->prompt);
      record.emulated_last = ending.times->total;
    }
    const bool goes_on = GoOn(flight);
    MutexLock lock(&mutex_);
    flight.ended = true;
    flight.call.reset();
    --in_flight_;
    ++done_;
    if (goes_on) {
      going_on_.push_back(flight.conversation);
    } else {
      --open_;
      ends_.push_back(record.ended);
    }
    ++landings_;
    landed_.NotifyAll();  // under the lock: the run may be over with it
  }

  // Prepares the conversation's next turn. False: it is over.
  bool GoOn(InFlight& flight) const {
    Conversation& conversation = *flight.conversation;
    const uint32_t next = flight.record.index + 1;
    if (!flight.record.status.ok() || ++conversation.turn == settings_.turns ||
        next >= settings_.requests) {
      return false;
    }
    conversation.said.push_back({.role = "assistant", .content = std::move(flight.answer)});
    conversation.said.push_back({.role = "user", .content = settings_.next_words(next)});
    conversation.due = flight.record.ended;
    return true;
  }

  bool Report() {
    uint32_t done;
    {
      MutexLock lock(&mutex_);
      done = done_;
    }
    reported_ = Now();
    if (!stopped_ && !report_({.done = done, .tokens = tokens_, .elapsed = Now()})) stopped_ = true;
    return !stopped_;
  }

  LoadResult Collect() {
    std::vector<std::shared_ptr<InFlight>> flights;
    std::vector<std::shared_ptr<sdk::TokenClient::Call>> calls;
    std::vector<bool> open;
    {
      MutexLock lock(&mutex_);
      flights = flights_;
      for (const auto& flight : flights) {
        open.push_back(!flight->ended);
        if (flight->call) calls.push_back(flight->call);
      }
    }
    // Without the lock: a client may hold one of its own here and when it says OnEnd.
    for (const auto& call : calls) call->Cancel();
    {
      MutexLock lock(&mutex_);
      landed_.Wait(&mutex_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return in_flight_ == 0; });
    }
    LoadResult result{.interrupted = stopped_};
    Nanoseconds first, last;
    for (size_t i = 0; i < flights.size(); ++i) {
      RequestRecord& record = flights[i]->record;
      record.cut = open[i] && !record.status.ok();
      first = i == 0 ? record.sent : std::min(first, record.sent);
      last = std::max(last, record.ended);
      result.records.push_back(record);
    }
    result.duration = last - first;
    return result;
  }

  sdk::TokenClient& client_;
  const LoadSettings& settings_;
  const std::function<bool(const LoadProgress&)>& report_;
  const uint32_t conversations_;
  const uint32_t limit_;  // of conversations at once
  const Clock::time_point start_;
  std::vector<Nanoseconds> instants_;  // of an open loop
  std::atomic<uint64_t> tokens_ = 0;
  // The caller's thread.
  bool stopped_ = false;
  Nanoseconds reported_{0};

  Mutex mutex_;
  CondVar landed_;
  std::vector<std::shared_ptr<InFlight>> flights_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Conversation>> going_on_ ABSL_GUARDED_BY(mutex_);
  std::vector<Nanoseconds> ends_ ABSL_GUARDED_BY(mutex_);  // of conversations, in order
  uint32_t begun_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t open_ ABSL_GUARDED_BY(mutex_) = 0;  // conversations
  uint32_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t landings_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

LoadResult RunLoad(sdk::TokenClient& client, const LoadSettings& settings,
                   const std::function<bool(const LoadProgress&)>& report) {
  return LoadRunner(client, settings, report).Execute();
}

}  // namespace waferline::load
