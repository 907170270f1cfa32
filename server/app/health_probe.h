// What /health, /live and /ready say: whether the engines make progress, and which models cannot be
// served now, and why. Owner: the front ends; thread: any.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/engine/snapshot.h"
#include "server/admin/admin_port.h"
#include "server/app/cloud.h"
#include "server/http/api.h"

namespace waferline::app {

class HealthProbe {
 public:
  // All outlive this. `recorded`: why usage cannot be recorded now.
  HealthProbe(Cloud* cloud, const admin::AdminPort* admin, std::function<absl::Status()> recorded)
      : cloud_(cloud), admin_(admin), recorded_(std::move(recorded)) {}

  // `reply` is called once, perhaps later on another thread. An engine that stands still is known
  // without asking it; what its models have left, it says.
  void Ask(std::function<void(http::Health)> reply) const;
  // The engines' snapshots as one. Where a model's workers are out, a new request has no expected
  // wait, though the emulated hardware would take it.
  engine::EngineSnapshot Merged(std::vector<engine::EngineSnapshot> parts) const;

 private:
  // Why no request of a model can be served now; "" if one can.
  std::string WhyNot(const engine::LaneSnapshot& lane) const;
  bool Silent(const std::string& model) const;
  http::Health Now() const;

  Cloud* const cloud_;
  const admin::AdminPort* const admin_;
  const std::function<absl::Status()> recorded_;
};

}  // namespace waferline::app
