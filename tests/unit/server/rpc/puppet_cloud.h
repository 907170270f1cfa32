// A FrontDoor without an engine: the test's thread plays the engine and speaks to the sinks.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "scheduler/request/front_door.h"
#include "server/rpc/operator_port.h"

namespace waferline {

class PuppetDoor : public FrontDoor {
 public:
  absl::StatusOr<Ticket> Submit(ValidRequest request) override {
    absl::MutexLock lock(&mutex_);
    if (!closed_.ok()) return closed_;
    requests_.push_back(std::move(request));
    return Ticket{requests_.size() - 1};
  }
  void Cancel(Ticket ticket) override {
    absl::MutexLock lock(&mutex_);
    cancelled_.insert(ticket.value);
  }
  void Resume(Ticket ticket) override {
    absl::MutexLock lock(&mutex_);
    ++resumed_[ticket.value];
  }

  void Close(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    closed_ = std::move(status);
  }
  // Waits for the n-th request.
  ValidRequest Await(size_t n) {
    absl::MutexLock lock(&mutex_);
    Until([this, n]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return requests_.size() > n; });
    return requests_.size() > n ? requests_[n] : ValidRequest();
  }
  bool AwaitCancel(uint64_t n) {
    absl::MutexLock lock(&mutex_);
    return Until([this, n]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return cancelled_.count(n) > 0; });
  }
  bool AwaitResume(uint64_t n) {
    absl::MutexLock lock(&mutex_);
    return Until([this, n]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return resumed_[n] > 0; });
  }
  int resumed(uint64_t n) {
    absl::MutexLock lock(&mutex_);
    return resumed_[n];
  }
  bool cancelled(uint64_t n) {
    absl::MutexLock lock(&mutex_);
    return cancelled_.count(n) > 0;
  }
  // Lets go of the requests, and so of their sinks.
  void Forget() {
    absl::MutexLock lock(&mutex_);
    requests_.clear();
  }

 private:
  template <typename Predicate>
  bool Until(const Predicate& predicate) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return mutex_.AwaitWithTimeout(absl::Condition(&predicate), absl::Seconds(20));
  }

  absl::Mutex mutex_;
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  std::vector<ValidRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::set<uint64_t> cancelled_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, int> resumed_ ABSL_GUARDED_BY(mutex_);
};

// Answers, and remembers what it was asked.
class PuppetOperators : public rpc::OperatorPort {
 public:
  absl::StatusOr<v1::GetServerInfoResponse> ServerInfo() override {
    v1::GetServerInfoResponse info;
    info.set_version("1.2.3");
    return info;
  }
  absl::StatusOr<v1::GetLoadResponse> Load() override {
    v1::GetLoadResponse load;
    load.set_accepted(5);
    return load;
  }
  uint32_t AbortElsewhere(const std::string& request_id) override {
    return request_id == "elsewhere" ? 2 : 0;
  }
  absl::StatusOr<uint32_t> Drain() override { return 7; }
  absl::Status ResetPrefixCache() override { return absl::OkStatus(); }
  absl::Status ApplyFault(const v1::Fault& fault) override {
    return absl::UnimplementedError("nothing fails here");
  }
};

// What the engine would call.
inline TokenSink::Verdict SendToken(TokenSink& sink, uint32_t index, TokenId id) {
  const TokenValue value{.id = id, .logprob = -0.5f, .top = {{id, -0.5f}, {65, -1.0f}}};
  return sink.OnToken(
      {.index = index, .value = &value, .since_arrival = Nanoseconds(1000 * (index + 1))});
}

}  // namespace waferline
