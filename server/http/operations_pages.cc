// What the server says of itself while it runs: health, metrics, the live view of the cloud.
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/http/api.h"
#include "server/http/metric_names.h"
#include "server/openai/json_text.h"
#include "wafer_backend/base/strings.h"

namespace waferline::http {
namespace {

void SendJson(Exchange& exchange, std::string body) {
  exchange.Send({.content_type = "application/json", .body = std::move(body)});
}

// `impaired_status` if requests of some models cannot be served; they are named.
std::string Describe(const Health& health, std::string_view status,
                     std::string_view impaired_status) {
  if (health.impaired.empty()) return absl::StrCat("{\"status\":\"", Absl(status), "\"}");
  std::string body = absl::StrCat("{\"status\":\"", Absl(impaired_status), "\",\"models\":{");
  for (size_t i = 0; i < health.impaired.size(); ++i) {
    if (i > 0) body += ',';
    openai::AppendQuoted(body, health.impaired[i].first);
    body += ':';
    openai::AppendQuoted(body, health.impaired[i].second);
  }
  return body + "}}";
}

std::string DescribeHealth(const Health& health) { return Describe(health, "ok", "degraded"); }
std::string DescribeReady(const Health& health) { return Describe(health, "ready", "ready"); }

}  // namespace

void Api::AskHealth(const Call& call, std::string (*body)(const Health&), bool needs_ready) {
  operations_.health([this, call, body, needs_ready](Health health) {
    post_([this, call, body, needs_ready, health = std::move(health)] {
      const bool good = health.live && (health.ready || !needs_ready);
      if (good) return SendJson(*call.exchange, body(health));
      generations_->SendError(*call.exchange, absl::UnavailableError(health.why), Seconds(1));
    });
  });
}

void Api::HealthPage(const Call& call) { AskHealth(call, DescribeHealth, false); }
void Api::Live(const Call& call) { AskHealth(call, DescribeHealth, false); }
void Api::Ready(const Call& call) { AskHealth(call, DescribeReady, true); }

void Api::Metrics(const Call& call) {
  operations_.metrics(
      MetricNames(call.exchange->request().query),
      [post = post_, exchange = call.exchange](std::string text) {
        post([exchange, text = std::move(text)]() mutable {
          exchange->Send({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                          .body = std::move(text)});
        });
      });
}

void Api::Layout(const Call& call) { SendJson(*call.exchange, operations_.layout()); }

void Api::Watch(const Call& call) {
  if (live_feed_.Watch(call.exchange)) return;
  generations_->SendError(*call.exchange,
                          absl::UnavailableError(absl::StrCat(
                              LiveFeed::kMaxViewers, " viewers are connected, the maximum")),
                          Seconds(10));
}

}  // namespace waferline::http
