// A prefill worker and its hand-offs, one small step at a time: pages go out while the links have
// room, else a chunk is computed. The same object runs inside the plane's loop, on a thread of its
// own, and in the prefill server.
//
// Owner and thread: the loop's. Between two steps jobs come, are handed off, or are
// cancelled; nothing here waits.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "wafer_backend/compute/link/typed_link.h"
#include "wafer_backend/compute/prefill/prefill_worker.h"

namespace waferline::prefill {

// A shard as the prefill pool sees it: its layers and the way there. The outlet must outlive it.
struct KvTarget {
  shard::LayerRange range;
  link::KvOutlet* outlet = nullptr;
};

class PrefillService {
 public:
  explicit PrefillService(std::unique_ptr<PrefillWorker> worker) : worker_(std::move(worker)) {}

  // Where pages go from now on; hand-offs under way are dropped (their links are gone).
  void SetTargets(std::vector<KvTarget> targets);

  // A job that is refused is reported as Prefilled with the status.
  void Submit(PrefillJob job);
  // Sends the job's pages to `slot` of every target, as soon as it is finished, and releases them.
  void HandOff(uint64_t id, uint32_t slot);
  void Cancel(uint64_t id);

  // Something can be done now or waits for room on a link.
  bool HasWork() const { return worker_->HasWork() || !sending_.empty() || !refused_.empty(); }

  // Sends what there is room for, then computes a chunk of up to `budget` tokens. True if anything
  // moved; false means that only room on a link can help. Results are appended to `done`.
  bool Step(int64_t budget, std::vector<Prefilled>* done);

  // Hand-offs whose last frame left since the last call, and those that failed.
  struct Sent {
    uint64_t id = 0;
    absl::Status status;
  };
  std::vector<Sent> TakeSent() { return std::exchange(sent_, {}); }

  const PrefillWorker& worker() const { return *worker_; }

 private:
  struct Sending {
    uint64_t id = 0;
    uint32_t slot = 0;
    size_t target = 0;          // the next frame's
    std::vector<KvPart> parts;  // of it; none: it has not begun
    size_t next = 0;            // of them
  };
  bool SendPages();

  std::unique_ptr<PrefillWorker> worker_;
  std::vector<KvTarget> targets_;
  std::unordered_map<uint64_t, uint32_t> asked_;  // hand-offs of jobs that are not finished
  std::unordered_set<uint64_t> finished_;         // jobs that are
  std::deque<Sending> sending_;
  std::vector<Prefilled> refused_;
  std::vector<Sent> sent_;
  link::KvFrame frame_;
};

}  // namespace waferline::prefill
