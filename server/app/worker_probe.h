// A worker's own small HTTP port (--probe HOST:PORT), for Kubernetes and Prometheus:
//
//   /live     200 while it loads, and while its loop turned, or went on to another layer, within
//             kPatience; else 503 with how long ago that was
//   /ready    200 once it listens for links, with a driver or without; 503 while it loads
//   /metrics  Prometheus text
//
// It answers on a thread of its own, so that a loop that hangs is seen. No keys and no TLS: it says
// nothing of prompts.
//
// Owner: the worker's role. Thread: the main one; OnReady on the worker's.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/http/http_server.h"
#include "wafer_backend/base/tls/credentials.h"
#include "wafer_backend/compute/link/vitals.h"

namespace waferline::app {

class WorkerProbe {
 public:
  static constexpr Nanoseconds kPatience = Seconds(10);

  // `what`: the worker, in labels and answers. `listen` "": there is no port. Unavailable if it
  // cannot be had, InvalidArgument if it is not a HOST:PORT.
  static absl::StatusOr<std::unique_ptr<WorkerProbe>> Open(const std::string& listen,
                                                           std::string what,
                                                           std::shared_ptr<tls::Credentials> tls);
  // For the worker's server to write to.
  const std::shared_ptr<link::Vitals>& vitals() const { return vitals_; }
  void OnReady();                          // the loop is about to begin: from now on it has to turn
  uint16_t port() const { return port_; }  // 0: there is none

 private:
  WorkerProbe(std::string what, std::shared_ptr<tls::Credentials> tls)
      : what_(std::move(what)), tls_(std::move(tls)) {}
  void Answer(http::Exchange& exchange) const;
  std::string Metrics() const;
  Nanoseconds Age() const;  // since the loop was last awake; 0 before it begins
  bool ready() const { return ready_ && !vitals_->loading; }

  const std::string what_;
  const std::shared_ptr<tls::Credentials> tls_;  // null: links are plain
  const std::shared_ptr<link::Vitals> vitals_ = std::make_shared<link::Vitals>();
  std::atomic<bool> ready_{false};
  std::unique_ptr<http::HttpServer> server_;
  uint16_t port_ = 0;
};

}  // namespace waferline::app
