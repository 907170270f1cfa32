#include "client/load/load_run.h"

#include <algorithm>
#include <chrono>
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

class LoadRunner {
 public:
  LoadRunner(sdk::TokenClient& client, const LoadSettings& settings,
             const std::function<bool(const LoadProgress&)>& report)
      : client_(client), settings_(settings), report_(report), start_(Clock::now()) {}

  LoadResult Execute() {
    std::vector<Nanoseconds> instants;
    if (settings_.arrival.rate_per_second) {
      instants =
          PoissonInstants(settings_.requests, *settings_.arrival.rate_per_second, settings_.seed);
    }
    const uint32_t limit = settings_.arrival.concurrency.value_or(settings_.requests);
    for (uint32_t i = 0; i < settings_.requests; ++i) {
      const bool open = !instants.empty();
      if (open && !WaitUntil(instants[i])) break;
      if (!WaitForPlace(limit)) break;
      // In a closed loop a request is due when a place is free, at the run's start or by an end.
      Send(i, open ? instants[i] : PlaceFreeSince(i, limit));
    }
    if (!stopped_) WaitForPlace(0, /*none=*/true);
    return Collect();
  }

 private:
  struct InFlight {
    RequestRecord record;
    std::shared_ptr<sdk::TokenClient::Call> call;
    bool ended = false;
  };

  Nanoseconds Now() const {
    return Nanoseconds(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_).count());
  }

  void Send(uint32_t index, Nanoseconds scheduled) {
    sdk::GenerateSpec spec = settings_.traced ? settings_.traced(index) : settings_.request;
    if (!settings_.traced) spec.prompt = settings_.prompts[index % settings_.prompts.size()];
    auto flight = std::make_shared<InFlight>();
    flight->record.index = index;
    flight->record.scheduled = scheduled;
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
    MutexLock lock(&mutex_);
    if (!flight->ended) flight->call = std::move(call);
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
    tokens_ += std::max<uint32_t>(piece.tokens, 1);
  }

  void OnEnd(InFlight& flight, const sdk::Ending& ending) {
    RequestRecord& record = flight.record;
    record.ended = Now();
    record.status = ending.status;
    record.finish_reason = ending.finish_reason;
    record.prompt_tokens = ending.prompt_tokens;
    record.completion_tokens = ending.completion_tokens;
    if (ending.times && !record.emulated_first) {
      record.emulated_first =
          ending.times->first_token.value_or(ending.times->queue + ending.times->prompt);
      record.emulated_last = ending.times->total;
    }
    MutexLock lock(&mutex_);
    flight.ended = true;
    flight.call.reset();
    --in_flight_;
    ends_.push_back(record.ended);
    landed_.NotifyAll();  // under the lock: the run may be over with it
  }

  // When the place that request `index` of a closed loop takes became free.
  Nanoseconds PlaceFreeSince(uint32_t index, uint32_t limit) {
    MutexLock lock(&mutex_);
    return index < limit ? Nanoseconds(0) : ends_[index - limit];
  }

  // False: the run is to end.
  bool WaitUntil(Nanoseconds instant) {
    const auto at = start_ + std::chrono::nanoseconds(instant.count());
    while (true) {
      const auto now = Clock::now();
      if (now >= at) return !stopped_;
      if (!Report()) return false;
      std::this_thread::sleep_until(
          std::min(at, now + std::chrono::nanoseconds(kReportEvery.count())));
    }
  }

  // Until fewer than `limit` are in flight, or none.
  bool WaitForPlace(uint32_t limit, bool none = false) {
    while (true) {
      {
        MutexLock lock(&mutex_);
        const auto free = [this, limit, none]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return none ? in_flight_ == 0 : in_flight_ < limit;
        };
        if (landed_.WaitFor(&mutex_, kReportEvery, free)) return !stopped_;
      }
      if (!Report()) return false;
    }
  }

  bool Report() {
    uint32_t done;
    {
      MutexLock lock(&mutex_);
      done = static_cast<uint32_t>(ends_.size());
    }
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
  const Clock::time_point start_;
  std::atomic<uint64_t> tokens_ = 0;
  bool stopped_ = false;  // the caller's thread

  Mutex mutex_;
  CondVar landed_;
  std::vector<std::shared_ptr<InFlight>> flights_ ABSL_GUARDED_BY(mutex_);
  std::vector<Nanoseconds> ends_ ABSL_GUARDED_BY(mutex_);  // in order
  uint32_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace

absl::Status Warm(sdk::TokenClient& client, sdk::GenerateSpec* request, const Prompt& prompt) {
  // A server may know neither field, or only stream_options.
  for (const auto& [token_ids, usage] : {std::pair(true, true), {false, true}, {false, false}}) {
    request->ask_token_ids = token_ids;
    request->ask_usage = usage;
    sdk::GenerateSpec spec = *request;
    spec.prompt = prompt;
    const absl::Status status = sdk::Run(client, spec, [](const sdk::Piece&) {}).status;
    if (status.code() != absl::StatusCode::kInvalidArgument || !usage) return status;
  }
  return absl::OkStatus();
}

LoadResult RunLoad(sdk::TokenClient& client, const LoadSettings& settings,
                   const std::function<bool(const LoadProgress&)>& report) {
  return LoadRunner(client, settings, report).Execute();
}

}  // namespace waferline::load
