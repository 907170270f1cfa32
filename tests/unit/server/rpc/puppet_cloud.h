// A FrontDoor without an engine: the test's thread plays the engine and speaks to the sinks.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "scheduler/request/front_door.h"
#include "server/admin/admin_port.h"
#include "wafer_backend/base/field_error.h"
#include "wafer_backend/base/mutex.h"

namespace waferline {

class PuppetDoor : public FrontDoor {
 public:
  absl::StatusOr<Ticket> Submit(ValidRequest request) override {
    MutexLock lock(&mutex_);
    if (!closed_.ok()) return closed_;
    requests_.push_back(std::move(request));
    changed_.NotifyAll();
    return Ticket{requests_.size() - 1};
  }
  void Cancel(Ticket ticket) override {
    MutexLock lock(&mutex_);
    cancelled_.insert(ticket.value);
    changed_.NotifyAll();
  }
  void Resume(Ticket ticket) override {
    MutexLock lock(&mutex_);
    ++resumed_[ticket.value];
    changed_.NotifyAll();
  }

  void Close(absl::Status status) {
    MutexLock lock(&mutex_);
    closed_ = std::move(status);
  }
  // Waits for the n-th request.
  ValidRequest Await(size_t n) {
    MutexLock lock(&mutex_);
    Until([this, n]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return requests_.size() > n; });
    return requests_.size() > n ? requests_[n] : ValidRequest();
  }
  bool AwaitCancel(uint64_t n) {
    MutexLock lock(&mutex_);
    return Until([this, n]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return cancelled_.count(n) > 0; });
  }
  bool AwaitResume(uint64_t n) {
    MutexLock lock(&mutex_);
    return Until([this, n]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return resumed_[n] > 0; });
  }
  int resumed(uint64_t n) {
    MutexLock lock(&mutex_);
    return resumed_[n];
  }
  bool cancelled(uint64_t n) {
    MutexLock lock(&mutex_);
    return cancelled_.count(n) > 0;
  }
  // Lets go of the requests, and so of their sinks.
  void Forget() {
    MutexLock lock(&mutex_);
    requests_.clear();
  }

 private:
  template <typename Predicate>
  bool Until(const Predicate& predicate) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return changed_.WaitFor(&mutex_, Seconds(20), predicate);
  }

  Mutex mutex_;
  CondVar changed_;
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  std::vector<ValidRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::set<uint64_t> cancelled_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, int> resumed_ ABSL_GUARDED_BY(mutex_);
};

// An AdminPort that answers at once, and keeps the last fault.
class PuppetAdmin : public admin::AdminPort {
 public:
  admin::ServerFacts Facts() const override { return {.version = "1.2.3"}; }
  bool draining() const override { return false; }
  void GetLoad(admin::Done<admin::Load> done) override {
    admin::Load load;
    load.accepted = 5;
    done(std::move(load));
  }
  void Abort(const RequestName& name, admin::Done<uint32_t> done) override {
    if (name.id.empty()) {
      return done(WithField(absl::InvalidArgumentError("is missing"), "request_id"));
    }
    done(name.id == "victim" ? 2u : 0u);
  }
  void Drain(admin::Done<uint64_t> done) override { done(uint64_t{7}); }
  void Resume(admin::Done<uint64_t> done) override { done(uint64_t{7}); }
  void ResetPrefixCaches(std::function<void(absl::Status)> done) override {
    done(absl::OkStatus());
  }
  void ApplyFault(const admin::FaultOrder& order, std::function<void(absl::Status)> done) override {
    if (const auto fault = fleet::CheckFault(order.fault); !fault.ok()) return done(fault.status());
    if (order.fault.index > 0) {
      return done(WithField(absl::InvalidArgumentError("index 1 out of range [0, 1)"), "index"));
    }
    {
      MutexLock lock(&mutex_);
      last_fault_ = order;
    }
    done(absl::OkStatus());
  }

  admin::FaultOrder last_fault() {
    MutexLock lock(&mutex_);
    return last_fault_;
  }

 private:
  Mutex mutex_;
  admin::FaultOrder last_fault_ ABSL_GUARDED_BY(mutex_);
};

// What the engine would call.
inline TokenSink::Verdict SendToken(TokenSink& sink, uint32_t index, TokenId id) {
  const TokenValue value{.id = id, .logprob = -0.5f, .top = {{id, -0.5f}, {65, -1.0f}}};
  return sink.OnToken(
      {.index = index, .value = &value, .since_arrival = Nanoseconds(1000 * (index + 1))});
}

}  // namespace waferline
