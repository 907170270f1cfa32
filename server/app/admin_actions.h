// admin::AdminPort on the running cloud. Owner: Serve; dies after the front ends and before the
// cloud. Thread: any.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "scheduler/fleet/config/fault_request.h"
#include "scheduler/fleet/hardware_faults.h"
#include "server/admin/admin_port.h"
#include "server/app/cloud.h"
#include "server/config/server_config.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::app {

class AdminActions : public admin::AdminPort {
 public:
  // Both outlive this.
  AdminActions(const config::ServerConfig* config, Cloud* cloud) : config_(config), cloud_(cloud) {}

  admin::ServerFacts Facts() const override;
  bool draining() const override { return draining_; }
  void GetLoad(admin::Done<admin::Load> done) override;
  void Abort(const RequestName& name, admin::Done<uint32_t> done) override;
  void Drain(admin::Done<uint64_t> done) override;
  void Resume(admin::Done<uint64_t> done) override;
  void ResetPrefixCaches(std::function<void(absl::Status)> done) override;
  void ApplyFault(const admin::FaultOrder& order, std::function<void(absl::Status)> done) override;

  // Calls `taking` now, and each time that an operator drains or resumes: whether new requests are
  // taken. One at a time; what it needs outlives all calls of operators.
  void ReportTo(std::function<void(bool taking)> taking);

  // Drain without an answer, and for good: the process stops.
  void StartStopping();

 private:
  absl::Status NotPosted();
  void AnswerInFlight(const admin::Done<uint64_t>& done);
  absl::StatusOr<std::vector<fleet::TimedChange>> ChangesOf(
      const std::string& model, const fleet::CheckedFault& checked) const;

  const config::ServerConfig* const config_;
  Cloud* const cloud_;
  Mutex mutex_;  // operators' drains and resumes, and the stop of the process
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void(bool)> taking_ ABSL_GUARDED_BY(mutex_) = [](bool) {};
  std::atomic<bool> draining_{false};
};

}  // namespace waferline::app
