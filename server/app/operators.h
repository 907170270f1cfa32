// What operators may ask of the running cloud, for the gRPC front end. Thread: any but the
// engine's; answers may wait for it.
#pragma once

#include <atomic>
#include <string>

#include "server/app/cloud.h"
#include "server/config/server_config.h"
#include "server/rpc/operator_port.h"

namespace waferline::app {

class Operators : public rpc::OperatorPort {
 public:
  // Both outlive this.
  Operators(const config::ServerConfig* config, Cloud* cloud) : config_(config), cloud_(cloud) {}

  absl::StatusOr<v1::GetServerInfoResponse> ServerInfo() override;
  absl::StatusOr<v1::GetLoadResponse> Load() override;
  uint32_t AbortElsewhere(const std::string& request_id) override;
  absl::StatusOr<uint32_t> Drain() override;
  absl::Status ResetPrefixCache() override;
  absl::Status ApplyFault(const v1::Fault& fault) override;

  // Also what /ready and health look at.
  void StartDraining();
  bool draining() const { return draining_; }

 private:
  const config::ServerConfig* const config_;
  Cloud* const cloud_;
  std::atomic<bool> draining_{false};
};

}  // namespace waferline::app
