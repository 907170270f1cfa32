#include "server/http/generations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/http/generation.h"
#include "server/openai/request.h"

namespace waferline::http {

Generations::Generations(const Surroundings& surroundings,
                         std::function<void(std::function<void()>)> post)
    : surroundings_(surroundings), post_(std::move(post)), seeds_(surroundings.seed) {}

Generations::~Generations() = default;

void Generations::Begin(const Call& call, openai::ResponseShape::Kind kind) {
  const Request& request = call.exchange->request();
  const openai::Envelope envelope = {
      .request_id = call.request_id,
      .tenant = call.caller.tenant,
      .fallback_seed = seeds_.Next(),
      .unix_seconds = surroundings_.clock.unix_seconds(),
      .queue_threshold = request.Header("queue_threshold"),
      .deadline_ms = request.Header("x-waferline-deadline-ms"),
      .instants = request.Header("x-waferline-instants"),
  };
  auto parsed = kind == openai::ResponseShape::Kind::kChat
                    ? openai::ParseChat(request.body, envelope, *surroundings_.catalog)
                    : openai::ParseCompletion(request.body, envelope, *surroundings_.catalog);
  if (!parsed.ok()) return SendError(*call.exchange, parsed.status(), Nanoseconds(0));
  if (!call.caller.MayUse(parsed->shape.model)) {
    return SendError(*call.exchange,
                     absl::PermissionDeniedError(absl::StrCat(
                         "this API key may not use the model '", parsed->shape.model, "'")),
                     Nanoseconds(0));
  }
  std::vector<ValidRequest> requests = std::move(parsed->requests);
  auto generation = std::make_shared<Generation>(this, call, *std::move(parsed));
  generation->Start(std::move(requests));
  if (!generation->done()) live_.insert(std::move(generation));
}

void Generations::Ring(std::weak_ptr<Generation> generation) {
  {
    MutexLock lock(&mutex_);
    with_news_.push_back(std::move(generation));
    if (with_news_.size() > 1) return;  // the io thread has been told already
  }
  post_([this] { PumpAll(); });
}

void Generations::PumpAll() {
  std::vector<std::weak_ptr<Generation>> with_news;
  {
    MutexLock lock(&mutex_);
    with_news.swap(with_news_);
  }
  for (const auto& weak : with_news) {
    const std::shared_ptr<Generation> generation = weak.lock();
    if (generation == nullptr || generation->done()) continue;
    generation->Pump();
    if (generation->done()) live_.erase(generation);
  }
}

void Generations::SendError(Exchange& exchange, const absl::Status& status,
                            Nanoseconds retry_after) const {
  const int code = openai::HttpCode(status);
  exchange.Send({.code = code,
                 .content_type = "application/json",
                 .body = openai::ErrorBody(status, surroundings_.error_shape),
                 .headers = RetryHeaders(code, retry_after)});
}

Headers RetryHeaders(int code, Nanoseconds retry_after) {
  if (code != 429 && code != 503) return {};
  if (retry_after <= Nanoseconds(0)) return {{"x-should-retry", "false"}};
  const int64_t ms = std::max<int64_t>(1, (retry_after.count() + 999'999) / 1'000'000);
  return {{"retry-after", absl::StrCat((ms + 999) / 1000)}, {"retry-after-ms", absl::StrCat(ms)}};
}

}  // namespace waferline::http
