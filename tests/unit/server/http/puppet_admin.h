// An AdminPort that answers on another thread, and keeps what it was asked.
#pragma once

#include <string>
#include <thread>
#include <utility>

#include "server/admin/admin_port.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::http {

class PuppetAdmin final : public admin::AdminPort {
 public:
  admin::ServerFacts Facts() const override { return {.version = "1.2.3", .models = {"bytes"}}; }
  bool draining() const override { return false; }
  void GetLoad(admin::Done<admin::Load> done) override {
    admin::Load load;
    load.models = {{.model = "bytes", .units = {{.name = "wafers-0"}, {.name = "wafers-1"}}}};
    Answer(std::move(done), std::move(load));
  }
  void Abort(const RequestName& name, admin::Done<uint32_t> done) override {
    absl::StatusOr<uint32_t> aborted = name.id == "victim" ? 2u : 0u;
    if (name.id.empty()) {
      aborted = WithField(absl::InvalidArgumentError("is missing"), "request_id");
    }
    Answer(std::move(done), std::move(aborted));
  }
  void Drain(admin::Done<uint64_t> done) override { Answer(std::move(done), uint64_t{7}); }
  void Resume(admin::Done<uint64_t> done) override { Answer(std::move(done), uint64_t{7}); }
  void ResetPrefixCaches(std::function<void(absl::Status)> done) override {
    Answer(std::move(done), absl::OkStatus());
  }
  void ApplyFault(const admin::FaultOrder& order, std::function<void(absl::Status)> done) override {
    absl::Status status = fleet::CheckFault(order.fault).status();
    if (order.fault.index > 1) status = WithField(absl::InvalidArgumentError("two units"), "index");
    if (order.model != "bytes") status = WithField(absl::InvalidArgumentError("none"), "model");
    if (status.ok()) {
      MutexLock lock(&mutex_);
      last_fault_ = order;
    }
    Answer(std::move(done), std::move(status));
  }

  // From now on as when the engine's thread has ended.
  void StopAnswering() {
    MutexLock lock(&mutex_);
    stopped_ = true;
  }
  admin::FaultOrder last_fault() {
    MutexLock lock(&mutex_);
    return last_fault_;
  }
  // Carried out so far.
  int orders() {
    MutexLock lock(&mutex_);
    return orders_;
  }

 private:
  template <typename Done, typename Value>
  void Answer(Done done, Value value) {
    {
      MutexLock lock(&mutex_);
      if (!stopped_) ++orders_;
      if (stopped_) return done(absl::UnavailableError("the server is stopping"));
    }
    std::thread([&] { done(std::move(value)); }).join();
  }

  Mutex mutex_;
  admin::FaultOrder last_fault_ ABSL_GUARDED_BY(mutex_);
  int orders_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace waferline::http
