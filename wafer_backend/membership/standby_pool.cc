#include "wafer_backend/membership/standby_pool.h"

#include <algorithm>
#include <utility>

namespace waferline::membership {

void StandbyPool::Offer(std::vector<std::string> endpoints) {
  MutexLock lock(&mutex_);
  offered_ = std::move(endpoints);
}

void StandbyPool::SetChain(size_t chain, std::vector<std::string> endpoints) {
  MutexLock lock(&mutex_);
  chains_[chain] = std::move(endpoints);
}

std::vector<std::string> StandbyPool::InChains() const {
  MutexLock lock(&mutex_);
  std::vector<std::string> all;
  for (const auto& [chain, endpoints] : chains_) {
    all.insert(all.end(), endpoints.begin(), endpoints.end());
  }
  return all;
}

bool StandbyPool::Free(const std::string& endpoint) const {
  return std::none_of(chains_.begin(), chains_.end(), [&](const auto& chain) {
    return std::find(chain.second.begin(), chain.second.end(), endpoint) != chain.second.end();
  });
}

std::optional<std::string> StandbyPool::Replace(size_t chain, size_t index) {
  MutexLock lock(&mutex_);
  for (size_t i = 0; i < offered_.size(); ++i) {
    const std::string& endpoint = offered_[next_++ % offered_.size()];
    if (!Free(endpoint)) continue;
    return chains_.at(chain).at(index) = endpoint;
  }
  return std::nullopt;
}

bool StandbyPool::empty() const {
  MutexLock lock(&mutex_);
  return std::none_of(offered_.begin(), offered_.end(),
                      [this](const std::string& endpoint)
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return Free(endpoint); });
}

}  // namespace waferline::membership
