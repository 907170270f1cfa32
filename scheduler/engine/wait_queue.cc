#include "scheduler/engine/wait_queue.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "wafer_backend/base/check.h"

namespace waferline::engine {
namespace {
// Counters of tenants that do not wait are dropped beyond this. A tenant that comes back then
// starts level with those that wait, which is what the lift in Push does anyway.
constexpr size_t kMaxIdleTenants = 1024;
}  // namespace

WaitQueue::Tenant& WaitQueue::Of(std::string_view tenant) {
  if (!fair_) {
    if (tenants_.empty()) tenants_.emplace_back();
    return tenants_.front();
  }
  const auto it = by_name_.find(std::string(tenant));
  if (it != by_name_.end()) return tenants_[it->second];
  if (tenants_.size() >= kMaxIdleTenants) DropIdleTenants();
  by_name_.emplace(tenant, tenants_.size());
  return tenants_.emplace_back();
}

void WaitQueue::DropIdleTenants() {
  std::vector<Tenant> kept;
  for (auto it = by_name_.begin(); it != by_name_.end();) {
    Tenant& tenant = tenants_[it->second];
    if (tenant.heap.empty()) {
      it = by_name_.erase(it);
    } else {
      it->second = kept.size();
      kept.push_back(std::move(tenant));
      ++it;
    }
  }
  tenants_ = std::move(kept);
}

void WaitQueue::Push(std::string_view name, const Entry& entry) {
  Tenant& tenant = Of(name);
  if (fair_ && tenant.heap.empty()) {
    // Idle time is not credit: a tenant that starts to wait is lifted to the lowest counter of
    // those waiting.
    int64_t lowest = std::numeric_limits<int64_t>::max();
    for (const Tenant& other : tenants_) {
      if (!other.heap.empty()) lowest = std::min(lowest, other.served);
    }
    if (lowest != std::numeric_limits<int64_t>::max()) {
      tenant.served = std::max(tenant.served, lowest);
    }
  }
  tenant.heap.push_back(entry);
  std::push_heap(tenant.heap.begin(), tenant.heap.end(), std::greater<>());
  ++live_;
  ++stored_;
}

const WaitQueue::Entry* WaitQueue::Front() {
  const Entry* best = nullptr;
  int64_t lowest = 0;
  for (size_t i = 0; i < tenants_.size(); ++i) {
    Tenant& tenant = tenants_[i];
    while (!tenant.heap.empty() && !is_waiting_(tenant.heap.front())) {
      std::pop_heap(tenant.heap.begin(), tenant.heap.end(), std::greater<>());
      tenant.heap.pop_back();
      --stored_;
    }
    if (tenant.heap.empty()) continue;
    const Entry& front = tenant.heap.front();
    if (best == nullptr || tenant.served < lowest || (tenant.served == lowest && *best > front)) {
      best = &front;
      lowest = tenant.served;
      front_ = i;
    }
  }
  return best;
}

void WaitQueue::PopFront(int64_t charge) {
  Tenant& tenant = tenants_[front_];
  std::pop_heap(tenant.heap.begin(), tenant.heap.end(), std::greater<>());
  tenant.heap.pop_back();
  tenant.served += charge;
  --stored_;
  --live_;
}

void WaitQueue::Refund(std::string_view name, int64_t charge) {
  if (!fair_) return;
  const auto it = by_name_.find(std::string(name));
  if (it != by_name_.end()) tenants_[it->second].served -= charge;
}

void WaitQueue::OnEntryStale() {
  WL_CHECK(live_ > 0);
  --live_;
  constexpr size_t kWorthIt = 64;
  if (stored_ > 2 * live_ + kWorthIt) {
    for (Tenant& tenant : tenants_) Sweep(&tenant);
  }
}

void WaitQueue::Sweep(Tenant* tenant) {
  const size_t before = tenant->heap.size();
  std::erase_if(tenant->heap, [this](const Entry& entry) { return !is_waiting_(entry); });
  std::make_heap(tenant->heap.begin(), tenant->heap.end(), std::greater<>());
  stored_ -= before - tenant->heap.size();
}

}  // namespace waferline::engine
