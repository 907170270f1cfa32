#include "server/http/generations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/http/generation.h"
#include "server/serving/access.h"
#include "wafer_backend/base/retry_hint.h"

namespace waferline::http {

Generations::Generations(const serving::ServerDeps& deps, const openai::Dialect& dialect,
                         const std::function<void(std::function<void()>)>& post)
    : deps_(deps),
      dialect_(dialect),
      writers_([this, post] { post([this] { writers_.Drain(); }); }) {}

Generations::~Generations() = default;

void Generations::Begin(const Call& call, const Parse& parse) {
  const Request& request = call.exchange->request();
  const openai::Envelope envelope = {
      .request_id = call.request_id,
      .tenant = call.caller.tenant,
      .fallback_seed = deps_.ids->NewSeed(),
      .unix_seconds = deps_.clock.unix_seconds(),
      .dialect = dialect_,
      .queue_threshold = request.Header("queue_threshold"),
      .deadline_ms = request.Header("x-waferline-deadline-ms"),
      .instants = request.Header("x-waferline-instants"),
  };
  auto parsed = parse(request.body, envelope, *deps_.models);
  const absl::Status usable =
      parsed.ok() ? serving::AuthorizeModel(call.caller, parsed->shape.model) : parsed.status();
  if (!usable.ok()) return SendError(*call.exchange, usable, Nanoseconds(0));
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
  const bool messages = request.path.starts_with("/v1/messages");
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
