#include "server/app/worker_probe.h"

#include <boost/json/object.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::app {
namespace {

constexpr size_t kMaxProbes = 16;
constexpr size_t kMaxProbeBytes = 4096;  // of requests that are refused anyway

void AddGauge(std::string* text, const char* name, const char* help, double value) {
  absl::StrAppend(text, "# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n", name, " ", value,
                  "\n");
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerProbe>> WorkerProbe::Open(
    const std::string& listen, std::string what, std::shared_ptr<tls::Credentials> tls) {
  std::unique_ptr<WorkerProbe> probe(new WorkerProbe(std::move(what), std::move(tls)));
  if (listen.empty()) return probe;
  const size_t colon = listen.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("--probe is \"", listen, "\", must be HOST:PORT, as 0.0.0.0:9101"));
  }
  http::ServerOptions options;
  options.address = listen.substr(0, colon);
  options.port = static_cast<uint16_t>(port);
  options.max_connections = kMaxProbes;
  options.max_body_bytes = kMaxProbeBytes;
  options.clock = {.monotonic = runtime::MonotonicNow, .unix_seconds = runtime::UnixSeconds};
  probe->server_ = std::make_unique<http::HttpServer>(
      options, [raw = probe.get()](auto exchange) { raw->Answer(*exchange); });
  WL_ASSIGN_OR_RETURN(probe->port_, probe->server_->Start());
  return probe;
}

void WorkerProbe::OnReady() {
  int64_t never = 0;
  vitals_->awake_ns.compare_exchange_strong(never, runtime::MonotonicNow().count());
  ready_ = true;
}

// The loop's clock is the host's monotonic one.
Nanoseconds WorkerProbe::Age() const {
  const int64_t awake = vitals_->awake_ns;
  return awake == 0 ? Nanoseconds(0) : runtime::MonotonicNow() - Nanoseconds(awake);
}

void WorkerProbe::Answer(http::Exchange& exchange) const {
  const std::string& path = exchange.request().path;
  if (path == "/metrics") {
    return exchange.Send(
        {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = Metrics()});
  }
  const bool live = Age() <= kPatience;
  const bool good = path == "/live" ? live : ready();
  if (path != "/live" && path != "/ready") {
    return exchange.Send({.code = 404, .content_type = "text/plain", .body = "not found\n"});
  }
  const boost::json::object body{{"worker", what_},
                                 {"status", !live     ? "stuck"
                                            : ready() ? "ready"
                                                      : "loading"},
                                 {"seconds_since_progress", ToSeconds(Age())}};
  exchange.Send(
      {.code = good ? 200 : 503, .content_type = "application/json", .body = JsonText(body)});
}

std::string WorkerProbe::Metrics() const {
  std::string text;
  AddGauge(&text, "waferline_worker_ready", "Whether it takes links.", ready() ? 1 : 0);
  AddGauge(&text, "waferline_worker_owned", "Whether a driver has it.", vitals_->owned ? 1 : 0);
  AddGauge(&text, "waferline_worker_progress_age_seconds",
           "Since its loop last turned, or went on to another layer.", ToSeconds(Age()));
  absl::StrAppend(&text,
                  "# HELP waferline_worker_refused_connections_total Connections refused.\n"
                  "# TYPE waferline_worker_refused_connections_total counter\n"
                  "waferline_worker_refused_connections_total ",
                  vitals_->refused.load(), "\n");
  if (tls_ != nullptr) {
    tls_->Current(runtime::MonotonicNow());  // looks for new files
    AddGauge(&text, "waferline_tls_certificate_expires_seconds",
             "Unix time at which the worker's own certificate ends.",
             static_cast<double>(tls_->expires_unix()));
  }
  return text;
}

}  // namespace waferline::app
