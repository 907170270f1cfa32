// The requests of a lane that wait for prefill, in the order of its policy: between tenants by
// virtual token counters if the policy is fair, within a tenant by key, then ordinal.
//
// Thread: the engine's. Bounds: what the engine admits; entries of requests that ended in
// the queue (cancelled) are dropped when they come to the front, or all at once when most are such.
// Cost: O(log n), plus O(tenants that wait) to find the front under fairness.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "scheduler/engine/indices.h"

namespace waferline::engine {

class WaitQueue {
 public:
  struct Entry {
    int64_t key = 0;
    uint64_t ordinal = 0;
    SequenceRef sequence;
    bool operator>(const Entry& o) const {
      return key != o.key ? key > o.key : ordinal > o.ordinal;
    }
  };
  // Whether the entry's request still waits.
  using IsWaiting = std::function<bool(const Entry&)>;

  WaitQueue(bool fair_tenants, IsWaiting is_waiting)
      : fair_(fair_tenants), is_waiting_(std::move(is_waiting)) {}

  void Push(std::string_view tenant, const Entry& entry);
  // The first one that still waits; null if none does. Valid until the next call.
  const Entry* Front();
  // Takes the front that was just looked at and charges its tenant.
  void PopFront(int64_t charge);
  // Gives a tenant tokens back that it was charged for and did not get.
  void Refund(std::string_view tenant, int64_t charge);
  // The request of an entry, not the front's by PopFront, does not wait any more.
  void OnEntryStale();

  size_t live() const { return live_; }
  size_t stored() const { return stored_; }  // stale ones included

 private:
  struct Tenant {
    int64_t served = 0;
    std::vector<Entry> heap;  // std::greater: smallest first
  };
  Tenant& Of(std::string_view tenant);
  void Sweep(Tenant* tenant);
  void DropIdleTenants();

  bool fair_;
  IsWaiting is_waiting_;
  size_t live_ = 0;
  size_t stored_ = 0;
  std::vector<Tenant> tenants_;  // one for all when tenants do not count
  std::unordered_map<std::string, size_t> by_name_;
  size_t front_ = 0;
};

}  // namespace waferline::engine
