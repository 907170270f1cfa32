#include "wafer_backend/membership/standby_pool.h"

#include <algorithm>
#include <utility>

namespace waferline::membership {

void StandbyPool::Offer(std::vector<std::string> endpoints) {
  MutexLock lock(&mutex_);
  offered_ = std::move(endpoints);
}

void StandbyPool::SetChain(std::vector<std::string> endpoints) {
  MutexLock lock(&mutex_);
  chain_ = std::move(endpoints);
}

std::vector<std::string> StandbyPool::chain() const {
  MutexLock lock(&mutex_);
  return chain_;
}

std::optional<std::string> StandbyPool::Take() {
  MutexLock lock(&mutex_);
  for (size_t i = 0; i < offered_.size(); ++i) {
    const std::string& endpoint = offered_[next_++ % offered_.size()];
    if (std::find(chain_.begin(), chain_.end(), endpoint) == chain_.end()) return endpoint;
  }
  return std::nullopt;
}

bool StandbyPool::empty() const {
  MutexLock lock(&mutex_);
  for (const std::string& endpoint : offered_) {
    if (std::find(chain_.begin(), chain_.end(), endpoint) == chain_.end()) return false;
  }
  return true;
}

}  // namespace waferline::membership
