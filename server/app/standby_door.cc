#include "server/app/standby_door.h"

#include <boost/json/object.hpp>
#include <utility>

#include "server/http/metric_names.h"
#include "server/runtime/host.h"
#include "wafer_backend/base/json_text.h"
#include "wafer_backend/base/status.h"

namespace waferline::app {
namespace {

constexpr char kJson[] = "application/json";
constexpr size_t kMaxConnections = 64;
constexpr size_t kMaxBodyBytes = 64 * 1024;  // of requests that are refused anyway

}  // namespace

absl::StatusOr<std::unique_ptr<StandbyDoor>> StandbyDoor::Open(const config::ServerConfig& config,
                                                               Answers answers) {
  std::unique_ptr<StandbyDoor> door(new StandbyDoor(std::move(answers)));
  http::ServerOptions options;
  options.address = config.listen.address;
  options.port = static_cast<uint16_t>(config.listen.http_port);
  options.max_connections = kMaxConnections;
  options.max_body_bytes = kMaxBodyBytes;
  options.clock = {.monotonic = runtime::MonotonicNow, .unix_seconds = runtime::UnixSeconds};
  WL_ASSIGN_OR_RETURN(door->security_, DoorSecurity::Load(config.tls, &door->no_metrics_));
  door->security_->Protect(&options, tls::Door::kHttp);
  door->server_ = std::make_unique<http::HttpServer>(
      options, [raw = door.get()](auto exchange) { raw->Answer(*exchange); });
  WL_ASSIGN_OR_RETURN(door->port_, door->server_->Start());
  return door;
}

void StandbyDoor::Answer(http::Exchange& exchange) const {
  const std::string& path = exchange.request().path;
  if (path == "/live" || path == "/health") {
    return exchange.Send({.content_type = kJson, .body = R"({"status":"standby"})"});
  }
  if (path == "/metrics") {
    return exchange.Send({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                          .body = answers_.metrics(http::MetricNames(exchange.request().query))});
  }
  const std::string leader = answers_.leader();
  boost::json::object error{{"message", answers_.why()},
                            {"type", "service_unavailable_error"},
                            {"param", nullptr},
                            {"code", "standby"}};
  if (!leader.empty()) error["leader"] = leader;
  exchange.Send({.code = 503,
                 .content_type = kJson,
                 .body = JsonText(boost::json::object{{"error", std::move(error)}}),
                 .headers = {{"retry-after", "1"}}});
}

}  // namespace waferline::app
