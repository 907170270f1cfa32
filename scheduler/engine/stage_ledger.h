// Accounts for the KV memory of a decode unit's stages. A sequence (or a cached block) takes the
// same number of pages on every stage, each of them as large as that stage's layers need, so one
// pool of pages, as many as the fullest stage has room for, accounts for all stages; the bytes of
// each follow. Thread: the engine's.
#pragma once

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "scheduler/engine/snapshot.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/lease.h"
#include "wafer_backend/base/units.h"

namespace waferline::engine {

using Pages = Quantity<struct PagesUnit>;
using PagePool = LeasePool<Pages>;
// How many sequences a unit may hold at once.
using RunningSlots = Quantity<struct RunningSlotsUnit>;
using RunningSlotPool = LeasePool<RunningSlots>;

// How much of a unit's KV memory sequences held, over time.
class KvUse {
 public:
  void Change(Nanoseconds now, Pages by) {
    page_ns_ = AreaUntil(now);
    since_ = now;
    held_ += by;
    max_ = std::max(max_, held_);
  }
  Pages held() const { return held_; }
  Pages max() const { return max_; }
  // Pages times nanoseconds.
  double AreaUntil(Nanoseconds now) const {
    return page_ns_ + held_.as_double() * (now - since_).as_double();
  }

 private:
  Pages held_, max_;
  Nanoseconds since_;
  double page_ns_ = 0;
};

class StageLedger {
 public:
  // InvalidArgument: no stage that holds KV, pages of unequal length, or weights and buffers beyond
  // the capacity. Stages whose pages have no size hold weights alone.
  static absl::Status Check(const std::vector<ShardMemory>& memory);
  // `memory` has passed Check.
  explicit StageLedger(std::vector<ShardMemory> memory);

  PagePool& pages() { return pages_; }
  const PagePool& pages() const { return pages_; }
  Tokens page_tokens() const { return memory_.front().page_tokens; }
  Pages PagesFor(Tokens tokens) const {
    return Pages((tokens.count() + page_tokens().count() - 1) / page_tokens().count());
  }
  std::vector<StageOccupancy> Occupancy() const;

 private:
  std::vector<ShardMemory> memory_;
  PagePool pages_;
};

}  // namespace waferline::engine
