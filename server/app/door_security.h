// TLS of a process: of its links, and of a server's ports: the credentials that they share, and
// what happens with peers that are refused (a line for the operator, a counter).
//
// Owner: the front ends; outlives them. Thread: any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/app/remark_log.h"
#include "server/config/server_config.h"
#include "server/http/http_server.h"
#include "server/metrics/front_metrics.h"
#include "server/rpc/rpc_server.h"
#include "wafer_backend/base/tls/credentials.h"

namespace waferline::app {

// For links of workers and to them: both ends must show a certificate of the CA. Remarks are
// printed; one is that the own certificate has expired, which new files repair. InvalidArgument if
// it is of another role than `own`: every peer would refuse it.
absl::StatusOr<std::shared_ptr<tls::Credentials>> LinkCredentials(const config::TlsConfig& config,
                                                                  tls::Role own);

class DoorSecurity {
 public:
  // Nothing is protected if `config` is absent. InvalidArgument names the file that cannot be used.
  static absl::StatusOr<std::unique_ptr<DoorSecurity>> Load(
      const std::optional<config::TlsConfig>& config, metrics::FrontMetrics* metrics);

  void Protect(http::ServerOptions* options, tls::Door door);
  void Protect(rpc::RpcOptions* options);
  // Of the own certificate as it is now, Unix seconds; looks for new files.
  std::optional<int64_t> CertificateExpires();

 private:
  explicit DoorSecurity(metrics::FrontMetrics* metrics) : metrics_(metrics) {}
  void OnRefused(tls::Door door, const tls::Refused& refused, const std::string& peer);

  metrics::FrontMetrics* const metrics_;
  RemarkLog log_{"tls"};
  std::shared_ptr<tls::Credentials> credentials_;  // null: no TLS
  bool http_ = false;
  bool grpc_ = false;
};

}  // namespace waferline::app
