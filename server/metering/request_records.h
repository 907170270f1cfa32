// The records of one request: the inner part of StoreMeter that its sessions hold.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/metering/store_meter.h"
#include "wafer_backend/base/mutex.h"

namespace waferline::metering {

// A request that was admitted. Any thread.
struct StoreMeter::InFlight {
  InFlight(OpenUsage usage, Nanoseconds at)
      : open(std::move(usage)), since(at), over(static_cast<size_t>(open.choices)) {}

  // Of one choice.
  OpenUsage Choice(int64_t choice) const {
    OpenUsage one = open;
    one.id.choice = choice;
    return one;
  }
  bool AllOver() const {
    return std::all_of(over.begin(), over.end(), [](const auto& one) { return one.load(); });
  }
  void OpenIn(UsageBatch* batch) const {
    for (size_t i = 0; i < over.size(); ++i) {
      if (!over[i]) batch->Open(Choice(static_cast<int64_t>(i)));
    }
  }

  const OpenUsage open;
  const Nanoseconds since;
  std::vector<std::atomic<bool>> over;  // by choice: posted or withdrawn
};

class StoreMeter::Records : public RequestUsage {
 public:
  Records(StoreMeter* meter, OpenUsage open, std::span<const ValidRequest> choices);
  ~Records() override;

  UsageId id() const override { return open().id; }
  bool waits() const override { return open().capped; }
  void Open(Recorded recorded) override;
  PostedCounts Post(int64_t choice, const Outcome& outcome, Recorded recorded) override;
  void Withdraw(int64_t choice) override;
  std::string CostText() const override;

 private:
  const OpenUsage& open() const { return request_->open; }
  void SetOver(size_t choice);

  StoreMeter* const meter_;
  const std::shared_ptr<InFlight> request_;
  Nanoseconds arrival_;              // the trace's own
  std::vector<bool> shares_prompt_;  // with the choice before it: a prompt counts once
  const bool kept_back_;             // a batch's line
  mutable Mutex mutex_;
  Money cost_ ABSL_GUARDED_BY(mutex_);  // of the choices that ended
};

}  // namespace waferline::metering
