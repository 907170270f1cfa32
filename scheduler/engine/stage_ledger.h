// Who owns the KV memory of a decode unit's stages. A sequence (or a cached block) takes the same
// number of pages on every stage, each of them as large as that stage's layers need, so one pool of
// pages, as many as the fullest stage has room for, accounts for all stages; the bytes of each
// follow. Thread: the engine's.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "scheduler/engine/snapshot.h"
#include "wafer_backend/api/values.h"
#include "wafer_backend/base/lease.h"
#include "wafer_backend/base/units.h"

namespace waferline::engine {

using Pages = Quantity<struct PagesUnit>;
using PagePool = LeasePool<Pages>;
using Seats = Quantity<struct SeatsUnit>;
using SeatPool = LeasePool<Seats>;

class StageLedger {
 public:
  // InvalidArgument: no stage, pages of unequal length, or weights and buffers beyond the capacity.
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
