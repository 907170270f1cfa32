// All completion and chat requests of an HTTP server whose answers are not complete, and the way
// from the engine's thread to the io thread.
//
// Owner: server/app; dies after the engine's last call into a sink and before the HttpServer.
// Thread: io; `writers` is notified on any. Bounds: as many as the engine admits.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "server/batches/batch_book.h"
#include "server/http/exchange.h"
#include "server/openai/dialect.h"
#include "server/openai/request.h"
#include "server/openai/responses/response_store.h"
#include "server/serving/server_deps.h"
#include "server/serving/write_queue.h"
#include "server/tenancy/api_keys.h"

namespace waferline::http {

class Generation;

// An exchange whose caller has been authenticated.
struct Call {
  std::shared_ptr<Exchange> exchange;
  tenancy::Caller caller;
  std::string request_id;
  std::optional<trace::Tracer::Started> trace = std::nullopt;
  bool batch = false;  // a line of a batch
};

class Generations {
 public:
  // `post` runs a task on the io thread.
  Generations(const serving::ServerDeps& deps, const openai::Dialect& dialect,
              const std::function<void(std::function<void()>)>& post);
  ~Generations();
  Generations(const Generations&) = delete;
  Generations& operator=(const Generations&) = delete;

  const serving::ServerDeps& deps() const { return deps_; }
  // How errors look to who sent `request`: as the configuration says, or as its protocol wants.
  openai::ErrorShape ErrorShapeFor(const Request& request) const;
  serving::WriteQueue& writers() { return writers_; }
  openai::ResponseStore& responses() { return responses_; }
  // Files and batches: null where there is no database to keep them in.
  struct Batches {
    batches::BatchBook* book = nullptr;
    std::function<void()> wake;  // there is a new one, or one to cancel
  };
  void UseBatches(Batches batches) { batches_ = std::move(batches); }
  const Batches& batches() const { return batches_; }

  // Runs `work` where it may take long, unless the client goes away before, then `done` on the io
  // thread; if that is not possible now, answers with the error. What they share is the caller's.
  void RunLong(const Call& call, std::function<void()> work, std::function<void()> done);

  // Reads a request's body; on the io thread, or on another if that may take long.
  using Parse = std::function<absl::StatusOr<openai::ParsedRequest>(
      std::string_view body, const openai::Envelope&, const text::ModelCatalog&)>;
  // Answers a request for generated text, now or later.
  void Begin(const Call& call, Parse parse);
  // Answers with the tokens of the prompts that the request would be given, and generates nothing.
  void Render(const Call& call, Parse parse);
  // The answer of `generation` is over; it may be gone after this.
  void Remove(const std::shared_ptr<Generation>& generation);

  // An error as the answer, with the headers that tell a client when to come back.
  void SendError(Exchange& exchange, const absl::Status& status, Nanoseconds retry_after) const;
  Reply ErrorReply(const Request& request, const absl::Status& status,
                   Nanoseconds retry_after) const;

  size_t live() const { return live_.size() + long_; }

 private:
  using Parsed = absl::StatusOr<openai::ParsedRequest>;
  Parsed Read(const Call& call, const Parse& parse) const;
  void Start(const Call& call, Parsed parsed);

  const serving::ServerDeps deps_;
  const openai::Dialect dialect_;
  openai::ResponseStore responses_;
  Batches batches_;
  const std::function<void(std::function<void()>)> post_;
  size_t long_ = 0;  // requests with RunLong under way
  std::unordered_set<std::shared_ptr<Generation>> live_;
  serving::WriteQueue writers_;
};

// Headers for 429, 503 and (if waiting helps) 504: Retry-After in whole seconds, retry-after-ms;
// x-should-retry: false where waiting does not help (OpenAI's clients read it).
Headers RetryHeaders(int code, Nanoseconds retry_after);

}  // namespace waferline::http
