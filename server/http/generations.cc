#include "server/http/generations.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/http/generation.h"
#include "server/http/model_routes.h"
#include "server/openai/token_text.h"
#include "server/serving/access.h"
#include "wafer_backend/base/retry_hint.h"
#include "wafer_backend/base/status.h"

namespace waferline::http {

Generations::Generations(const serving::ServerDeps& deps, const openai::Dialect& dialect,
                         const std::function<void(std::function<void()>)>& post)
    : deps_(deps),
      dialect_(dialect),
      post_(post),
      writers_([this, post] { post([this] { writers_.Drain(); }); }) {}

Generations::~Generations() = default;

void Generations::RunLong(const Call& call, std::function<void()> work,
                          std::function<void()> done) {
  ++long_;
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  call.exchange->OnGone([gone] { *gone = true; });
  // All that the task holds goes back to the io thread, which alone may let go of the exchange.
  deps_.texts->Run([this, call = call, gone, work = std::move(work),
                    done = std::move(done)](const absl::Status& may_run) mutable {
    if (may_run.ok() && !*gone) work();
    post_([this, call = std::move(call), gone, work = std::move(work), done = std::move(done),
           may_run] {
      --long_;
      if (*gone) return;
      if (may_run.ok()) return done();
      SendError(*call.exchange, may_run, serving::TextWorker::kRetryAfter);
    });
  });
}

Generations::Parsed Generations::Read(const Call& call, const Parse& parse) const {
  const Request& request = call.exchange->request();
  const openai::Envelope envelope = {
      .request_id = call.request_id,
      .tenant = call.caller.tenant,
      .fallback_seed = deps_.ids->NewSeed(),
      .unix_seconds = deps_.clock.unix_seconds(),
      .handoffs = deps_.handoffs,
      .dialect = dialect_,
      .batch = call.batch,
      .queue_threshold = request.Header("queue_threshold"),
      .deadline_ms = request.Header("x-waferline-deadline-ms"),
      .instants = request.Header("x-waferline-instants"),
  };
  Parsed parsed = parse(request.body, envelope, *deps_.models);
  if (!parsed.ok()) return parsed;
  WL_RETURN_IF_ERROR(serving::AuthorizeModel(call.caller, parsed->shape.model));
  return parsed;
}

void Generations::Begin(const Call& call, Parse parse) {
  const auto parsed = std::make_shared<Parsed>(absl::UnknownError("not parsed yet"));
  const auto read = [this, call, parse = std::move(parse), parsed] { *parsed = Read(call, parse); };
  const auto compile = [parsed] {
    if (!parsed->ok()) return;
    const absl::Status status = openai::CompileConstraint(&**parsed);
    if (!status.ok()) *parsed = status;
  };
  const auto start = [this, call, parsed] { Start(call, *std::move(parsed)); };
  // One that goes on from a stored response has that one's text, too.
  const std::string& body = call.exchange->request().body;
  if (body.size() > serving::kMaxQuickBytes ||
      body.find("\"previous_response_id\"") != std::string::npos) {
    return RunLong(
        call,
        [read, compile] {
          read();
          compile();
        },
        start);
  }
  read();
  if (!parsed->ok() || openai::FindConstraint(&**parsed)) return start();
  RunLong(call, compile, start);
}

void Generations::Render(const Call& call, Parse parse) {
  const auto parsed = std::make_shared<Parsed>(absl::UnknownError("not parsed yet"));
  const auto read = [this, call, parse = std::move(parse), parsed] { *parsed = Read(call, parse); };
  const auto answer = [this, call, parsed] {
    if (!parsed->ok()) return SendError(*call.exchange, parsed->status(), Nanoseconds(0));
    call.exchange->Send(
        {.content_type = "application/json", .body = openai::RenderedPrompts((*parsed)->shape)});
  };
  if (call.exchange->request().body.size() > serving::kMaxQuickBytes) {
    return RunLong(call, read, answer);
  }
  read();
  answer();
}

void Generations::Start(const Call& call, Parsed parsed) {
  if (!parsed.ok()) {
    const std::string& body = call.exchange->request().body;
    if (const auto own = openai::OwnArrivalOf(body)) deps_.front_door->Skip(*own);
    return SendError(*call.exchange, parsed.status(), Nanoseconds(0));
  }
  if (!parsed->warning.empty()) {
    call.exchange->AddHeader("x-waferline-warnings", parsed->warning);
  }
  std::vector<ValidRequest> requests = std::move(parsed->requests);
  auto generation = std::make_shared<Generation>(this, call, *std::move(parsed));
  live_.insert(generation);
  generation->Start(std::move(requests));
}

void Generations::Remove(const std::shared_ptr<Generation>& generation) { live_.erase(generation); }

void Generations::SendError(Exchange& exchange, const absl::Status& status,
                            Nanoseconds retry_after) const {
  exchange.Send(ErrorReply(exchange.request(), status, retry_after));
}

openai::ErrorShape Generations::ErrorShapeFor(const Request& request) const {
  const bool messages = WithoutAlias(request.path).starts_with("/v1/messages");
  return messages ? openai::ErrorShape::kAnthropic : dialect_.error_shape;
}

Reply Generations::ErrorReply(const Request& request, const absl::Status& status,
                              Nanoseconds retry_after) const {
  const int code = openai::HttpCode(status);
  if (retry_after <= Nanoseconds(0)) retry_after = RetryAfterOf(status).value_or(retry_after);
  return {.code = code,
          .content_type = "application/json",
          .body = openai::ErrorBody(status, ErrorShapeFor(request)),
          .headers = RetryHeaders(code, retry_after)};
}

Headers RetryHeaders(int code, Nanoseconds retry_after) {
  if (code == 504 && retry_after <= Nanoseconds(0)) return {};
  if (code != 429 && code != 503 && code != 504) return {};
  if (retry_after <= Nanoseconds(0)) return {{"x-should-retry", "false"}};
  const int64_t ms = std::max<int64_t>(1, (retry_after.count() + 999'999) / 1'000'000);
  return {{"retry-after", absl::StrCat((ms + 999) / 1000)}, {"retry-after-ms", absl::StrCat(ms)}};
}

}  // namespace waferline::http
