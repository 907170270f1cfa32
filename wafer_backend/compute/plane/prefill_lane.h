// Where the prefill pool of this process runs: in the driver's loop, a chunk between two decode
// steps, or on a thread of its own.
//
// With few cores the loop is better: decode and prefill each use all of them in turn, and a decode
// step waits for one chunk at most. With cores to spare a thread with a pool of its own is better:
// decode steps never wait.
//
// Thread: the driver's. Results come by Turn.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "wafer_backend/base/mutex.h"
#include "wafer_backend/base/thread.h"
#include "wafer_backend/compute/plane/plane_counters.h"
#include "wafer_backend/compute/prefill/prefill_service.h"

namespace waferline::plane {

struct LaneResults {
  std::vector<prefill::Prefilled> prefilled;
  std::vector<prefill::PrefillService::Sent> sent;
};

class PrefillLane {
 public:
  virtual ~PrefillLane() = default;
  virtual void Submit(prefill::PrefillJob job) = 0;
  virtual void HandOff(uint64_t id, uint32_t slot) = 0;
  // After this no result of the job comes.
  virtual void Cancel(uint64_t id) = 0;
  // There may be room on the links again.
  virtual void Nudge() {}
  // Appends results; a lane without a thread first computes up to `budget` tokens for each waiting
  // prompt, a chunk at most: waiting prompts progress while others decode, and prompts that arrive
  // together soon decode together. True if anything moved.
  virtual bool Turn(int64_t budget, LaneResults* results) = 0;
  // Fills in prefill_tokens and prefill_kv.
  virtual void Count(PlaneCounters* counters) const = 0;
};

class InlineLane : public PrefillLane {
 public:
  explicit InlineLane(std::unique_ptr<prefill::PrefillService> service)
      : service_(std::move(service)) {}
  void Submit(prefill::PrefillJob job) override { service_->Submit(std::move(job)); }
  void HandOff(uint64_t id, uint32_t slot) override { service_->HandOff(id, slot); }
  void Cancel(uint64_t id) override { service_->Cancel(id); }
  bool Turn(int64_t budget, LaneResults* results) override;
  void Count(PlaneCounters* counters) const override;

 private:
  std::unique_ptr<prefill::PrefillService> service_;
};

// The service runs on a thread of this object's; `wake` is called there when results are ready.
class ThreadLane : public PrefillLane {
 public:
  ThreadLane(std::unique_ptr<prefill::PrefillService> service, int64_t chunk_tokens,
             std::function<void()> wake);
  ~ThreadLane() override;
  void Submit(prefill::PrefillJob job) override;
  void HandOff(uint64_t id, uint32_t slot) override;
  void Cancel(uint64_t id) override;
  void Nudge() override;
  bool Turn(int64_t budget, LaneResults* results) override;
  void Count(PlaneCounters* counters) const override;

 private:
  struct Command {
    enum class What { kSubmit, kHandOff, kCancel } what;
    prefill::PrefillJob job;
    uint64_t id = 0;
    uint32_t slot = 0;
  };
  void Push(Command command);
  void Run();
  bool Awake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stop_ || nudged_ || !commands_.empty();
  }

  std::unique_ptr<prefill::PrefillService> service_;  // of the thread
  const int64_t chunk_tokens_;
  const std::function<void()> wake_;
  mutable Mutex mutex_;
  CondVar awake_;
  // Bounded by the plane's sequences.
  std::vector<Command> commands_ ABSL_GUARDED_BY(mutex_);
  LaneResults results_ ABSL_GUARDED_BY(mutex_);
  uint64_t computed_tokens_ ABSL_GUARDED_BY(mutex_) = 0;
  Bytes pages_held_ ABSL_GUARDED_BY(mutex_);
  bool nudged_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace waferline::plane
