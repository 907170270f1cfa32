// All completion and chat requests of an HTTP server, and the way from the engine's thread to the
// io thread: however many sinks have news, the io thread is woken once.
//
// Owner: server/app; dies after the engine's last call into a sink and before the HttpServer.
// Thread: Begin and Pump on the io thread, Ring on any. Bounds: as many as the engine admits; the
// list of those with news holds each at most once for each of its choices.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "scheduler/request/front_door.h"
#include "server/http/exchange.h"
#include "server/http/http_server.h"
#include "server/metrics/front_metrics.h"
#include "server/openai/api_error.h"
#include "server/openai/response_shape.h"
#include "server/tenancy/api_keys.h"
#include "server/tenancy/budget.h"
#include "server/tenancy/usage_ledger.h"
#include "server/text/served_model.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/seeded_stream.h"

namespace waferline::http {

class Generation;

// What a request touches. All must outlive the server.
struct Surroundings {
  FrontDoor* door = nullptr;
  const text::ModelCatalog* catalog = nullptr;
  tenancy::Budgets* budgets = nullptr;
  tenancy::UsageLedger* ledger = nullptr;
  metrics::FrontMetrics* metrics = nullptr;
  HostClock clock;
  openai::ErrorShape error_shape = openai::ErrorShape::kNested;
  uint64_t seed = 0;  // of requests that bring none, and of made-up request ids
};

// An exchange whose caller is known.
struct Call {
  std::shared_ptr<Exchange> exchange;
  tenancy::Caller caller;
  std::string request_id;
};

class Generations {
 public:
  // `post` runs a task on the io thread.
  Generations(const Surroundings& surroundings, std::function<void(std::function<void()>)> post);
  ~Generations();
  Generations(const Generations&) = delete;
  Generations& operator=(const Generations&) = delete;

  const Surroundings& surroundings() const { return surroundings_; }

  // Answers a completion or chat request, now or later.
  void Begin(const Call& call, openai::ResponseShape::Kind kind);

  // `generation` has news; called by its sinks.
  void Ring(std::weak_ptr<Generation> generation);

  // An error as the answer, with the headers that tell a client when to come back.
  void SendError(Exchange& exchange, const absl::Status& status, Nanoseconds retry_after) const;

  size_t live() const { return live_.size(); }

 private:
  void PumpAll();

  const Surroundings surroundings_;
  const std::function<void(std::function<void()>)> post_;
  SeededStream seeds_;
  std::unordered_set<std::shared_ptr<Generation>> live_;
  Mutex mutex_;
  std::vector<std::weak_ptr<Generation>> with_news_ ABSL_GUARDED_BY(mutex_);
};

// Headers for 429 and 503: Retry-After in whole seconds, retry-after-ms; x-should-retry: false
// where waiting does not help (OpenAI's clients heed it).
Headers RetryHeaders(int code, Nanoseconds retry_after);

}  // namespace waferline::http
