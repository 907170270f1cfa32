#include "server/http/batch_line.h"

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/http/model_routes.h"

namespace waferline::http {
namespace {

using Route = void (*)(Generations&, const Call&);
struct Endpoint {
  const char* path;
  Route answer;
};
constexpr Endpoint kEndpoints[] = {
    {"/v1/chat/completions", ChatCompletions},
    {"/v1/completions", Completions},
    {"/v1/embeddings", Embeddings},
    {"/v1/responses", http::Responses},
};

// What the server may answer otherwise later: it is full or draining, or the tenant's budget is
// used up for now.
std::optional<Nanoseconds> RetryAfter(const Reply& reply) {
  if (reply.code != 429 && reply.code != 503) return std::nullopt;
  for (const auto& [name, value] : reply.headers) {
    int64_t ms = 0;
    if (name == "retry-after-ms" && absl::SimpleAtoi(value, &ms)) return Milliseconds(ms);
  }
  if (reply.code == 429) return std::nullopt;
  return Seconds(1);
}

class LineExchange final : public Exchange {
 public:
  LineExchange(TakeRecords take, Request request, std::string request_id,
               std::function<void(batches::LineAnswer)> done)
      : take_(std::move(take)),
        request_(std::move(request)),
        request_id_(std::move(request_id)),
        done_(std::move(done)) {}

  const Request& request() const override { return request_; }
  void AddHeader(std::string name, std::string value) override {
    if (name == "x-waferline-usage-id") usage_id_ = std::move(value);
  }
  void Send(Reply reply) override {
    if (done_ == nullptr) return;
    std::exchange(done_, nullptr)({.code = reply.code,
                                   .request_id = request_id_,
                                   .body = std::move(reply.body),
                                   .retry_after = RetryAfter(reply),
                                   .settle = usage_id_.empty() ? nullptr : take_(usage_id_)});
  }
  // A line that asks for a stream is refused before it is run.
  void StartStream(Reply, std::string) override {}
  void Write(std::string_view) override {}
  void Finish() override {}
  size_t unsent_bytes() const override { return 0; }
  void OnDrained(std::function<void()>) override {}
  void OnGone(std::function<void()>) override {}

 private:
  const TakeRecords take_;
  const Request request_;
  const std::string request_id_;
  std::string usage_id_;  // "": none is kept
  std::function<void(batches::LineAnswer)> done_;
};

}  // namespace

std::vector<std::string> BatchEndpoints() {
  std::vector<std::string> paths;
  for (const Endpoint& endpoint : kEndpoints) paths.push_back(endpoint.path);
  return paths;
}

void RunBatchLine(Generations& generations, const TakeRecords& take, const batches::LineCall& line,
                  std::function<void(batches::LineAnswer)> done) {
  const serving::ServerDeps& deps = generations.deps();
  std::string request_id = deps.ids->IdFor("");
  auto exchange = std::make_shared<LineExchange>(take,
                                                 Request{.method = "POST",
                                                         .path = line.endpoint,
                                                         .query = {},
                                                         .headers = {},
                                                         .body = line.body,
                                                         .peer = {},
                                                         .received = deps.clock.monotonic()},
                                                 request_id, std::move(done));
  auto caller =
      deps.keys->CallerOf(line.tenant, line.key_id, deps.clock.unix_seconds() * 1'000'000);
  if (!caller.ok()) return generations.SendError(*exchange, caller.status(), Nanoseconds(0));
  const Call call{.exchange = exchange,
                  .caller = *std::move(caller),
                  .request_id = std::move(request_id),
                  .batch = true};
  for (const Endpoint& endpoint : kEndpoints) {
    if (line.endpoint == endpoint.path) return endpoint.answer(generations, call);
  }
  const absl::Status unknown =
      absl::NotFoundError(absl::StrCat("there is no ", line.endpoint, " any more"));
  generations.SendError(*exchange, unknown, Nanoseconds(0));
}

}  // namespace waferline::http
