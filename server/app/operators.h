// What operators may ask, answered by the running cloud.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "server/app/cloud.h"
#include "server/config/server_config.h"
#include "server/fleet/hardware_faults.h"
#include "server/operation/operator_port.h"

namespace waferline::app {

class Operators : public operation::OperatorPort {
 public:
  // Both outlive this.
  Operators(const config::ServerConfig* config, Cloud* cloud) : config_(config), cloud_(cloud) {}

  operation::ServerFacts Facts() const override;
  void GetLoad(operation::Done<operation::Load> done) override;
  void Abort(const std::string& request_id, operation::Done<uint32_t> done) override;
  void Drain(operation::Done<uint64_t> done) override;
  void ResetPrefixCaches(std::function<void(absl::Status)> done) override;
  void ApplyFault(const operation::FaultOrder& order,
                  std::function<void(absl::Status)> done) override;

  // Also what /ready and health look at.
  void StartDraining();
  bool draining() const { return draining_; }

 private:
  absl::StatusOr<std::vector<fleet::TimedChange>> ChangesOf(const operation::FaultOrder& order,
                                                            int lane) const;

  const config::ServerConfig* const config_;
  Cloud* const cloud_;
  std::atomic<bool> draining_{false};
};

}  // namespace waferline::app
