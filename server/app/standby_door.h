// What a front end answers while another one leads its cell: /live and /health 200, /metrics the
// cell's figures, /ready and everything else 503 with the reason, and the leader's address if it is
// known. Owner: CellMember; thread: any.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/config/server_config.h"
#include "server/http/http_server.h"

namespace waferline::app {

class StandbyDoor {
 public:
  // Asked on the door's thread.
  struct Answers {
    std::function<std::string()> why;      // it does not serve
    std::function<std::string()> leader;   // host:port, or ""
    std::function<std::string()> metrics;  // Prometheus text
  };

  // Listens; Unavailable if the address cannot be had.
  static absl::StatusOr<std::unique_ptr<StandbyDoor>> Open(const config::ListenConfig& listen,
                                                           Answers answers);
  uint16_t port() const { return port_; }

 private:
  explicit StandbyDoor(Answers answers) : answers_(std::move(answers)) {}
  void Answer(http::Exchange& exchange) const;

  const Answers answers_;
  std::unique_ptr<http::HttpServer> server_;
  uint16_t port_ = 0;
};

}  // namespace waferline::app
