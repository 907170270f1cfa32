// What a front end answers while another one leads its cell: /live and /health 200, /metrics the
// cell's figures, /ready and everything else 503 with the reason, and the leader's address if it is
// known. Owner: CellMember; thread: any.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/app/door_security.h"
#include "server/config/server_config.h"
#include "server/http/http_server.h"

namespace waferline::app {

class StandbyDoor {
 public:
  // Asked on the door's thread.
  struct Answers {
    std::function<std::string()> why;     // it does not serve
    std::function<std::string()> leader;  // host:port, or ""
    // Prometheus text, of all families or of those that are named.
    std::function<std::string(const std::vector<std::string>& names)> metrics;
  };

  // Listens where the configuration says, with its TLS; Unavailable if the address cannot be had.
  static absl::StatusOr<std::unique_ptr<StandbyDoor>> Open(const config::ServerConfig& config,
                                                           Answers answers);
  uint16_t port() const { return port_; }

 private:
  explicit StandbyDoor(Answers answers) : answers_(std::move(answers)) {}
  void Answer(http::Exchange& exchange) const;

  const Answers answers_;
  metrics::FrontMetrics no_metrics_;  // its /metrics are the cell's
  std::unique_ptr<DoorSecurity> security_;
  std::unique_ptr<http::HttpServer> server_;
  uint16_t port_ = 0;
};

}  // namespace waferline::app
