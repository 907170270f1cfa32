#include "server/cell/chain_claim.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "wafer_backend/base/status.h"

namespace waferline::cell {

std::vector<const membership::Worker*> WorkersOf(const std::vector<membership::Chain>& chains) {
  std::vector<const membership::Worker*> all;
  for (const membership::Chain& chain : chains) {
    for (const membership::Worker& prefill : chain.prefill) all.push_back(&prefill);
    for (const membership::ChainWorker& shard : chain.shards) all.push_back(&shard.worker);
  }
  return all;
}

namespace {

absl::Status ClaimAll(membership::Registry* registry, const std::vector<membership::Chain>& chains,
                      const membership::Registry::Claimed& by) {
  const std::vector<const membership::Worker*> all = WorkersOf(chains);
  for (size_t i = 0; i < all.size(); ++i) {
    const absl::Status taken = registry->Take(*all[i], by);
    if (taken.ok()) continue;
    for (size_t j = 0; j < i; ++j) (void)registry->Release(all[j]->id, by);
    return absl::UnavailableError(taken.message());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<membership::Chain>> ClaimChains(membership::Registry* registry,
                                                           const membership::ChainWish& wish,
                                                           uint64_t epoch) {
  const auto snapshot = registry->snapshot();
  if (snapshot == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("the registry has not answered: ", registry->status().message()));
  }
  membership::ChainWish possible = wish;
  auto chains = membership::ChooseChains(*snapshot, possible);
  while (!chains.ok() && --possible.chains > 0) {
    chains = membership::ChooseChains(*snapshot, possible);
  }
  WL_RETURN_IF_ERROR(chains.status());
  WL_RETURN_IF_ERROR(ClaimAll(registry, *chains, {wish.cell, epoch}));
  return chains;
}

absl::StatusOr<membership::Chain> ClaimOneMore(membership::Registry* registry,
                                               const membership::ChainWish& wish,
                                               const std::vector<std::string>& busy,
                                               const membership::Registry::Claimed& by) {
  const auto snapshot = registry->snapshot();
  if (snapshot == nullptr) return absl::UnavailableError("the registry has not answered");
  membership::Snapshot left = *snapshot;
  std::erase_if(left.workers, [&busy](const auto& worker) {
    return std::find(busy.begin(), busy.end(), worker.second.endpoint) != busy.end();
  });
  membership::ChainWish one = wish;
  one.chains = 1;
  WL_ASSIGN_OR_RETURN(std::vector<membership::Chain> chains, membership::ChooseChains(left, one));
  WL_RETURN_IF_ERROR(ClaimAll(registry, chains, by));
  return std::move(chains.front());
}

void ReleaseChain(membership::Registry* registry, const membership::Chain& chain,
                  const membership::Registry::Claimed& by) {
  const std::vector<membership::Chain> one{chain};
  for (const membership::Worker* worker : WorkersOf(one)) {
    (void)registry->Release(worker->id, by);
  }
}

uint64_t LargestEpoch(const std::vector<membership::Chain>& chains) {
  uint64_t largest = 0;
  for (const membership::Worker* worker : WorkersOf(chains)) {
    largest = std::max(largest, worker->epoch);
  }
  return largest;
}

bool AnyServedLarger(const membership::Registry& registry,
                     const std::vector<std::string>& endpoints, uint64_t epoch) {
  const auto snapshot = registry.snapshot();
  if (snapshot == nullptr) return false;
  return std::ranges::any_of(snapshot->workers, [&](const auto& listed) {
    return listed.second.epoch > epoch && std::ranges::count(endpoints, listed.second.endpoint) > 0;
  });
}

absl::Status KeepClaimed(membership::Registry* registry,
                         const std::vector<membership::Chain>& chains,
                         const membership::Registry::Claimed& by) {
  const auto snapshot = registry->snapshot();
  if (snapshot == nullptr) return absl::UnavailableError("the registry has not answered");
  const membership::Claim own{by.cell, by.epoch};
  absl::Status failed;
  for (const membership::Worker* worker : WorkersOf(chains)) {
    const auto listed = snapshot->workers.find(worker->id);
    const auto claim = snapshot->claims.find(worker->id);
    if (listed == snapshot->workers.end()) continue;
    if (listed->second.epoch > by.epoch) {  // it would refuse this one, and serve nobody else
      failed = absl::UnavailableError(
          absl::StrCat("worker ", worker->id, " has seen epoch ", listed->second.epoch));
      continue;
    }
    if (claim != snapshot->claims.end() && claim->second == own) continue;
    const absl::Status taken = registry->Take(listed->second, by);
    if (!taken.ok()) failed = absl::UnavailableError(taken.message());
  }
  return failed;
}

std::vector<std::string> ClaimStandbys(membership::Registry* registry, const StandbyWish& wish,
                                       const membership::Registry::Claimed& by) {
  const auto snapshot = registry->snapshot();
  if (snapshot == nullptr) return {};
  std::vector<std::string> endpoints;
  size_t spare = 0;
  for (const membership::Worker& worker :
       membership::ChooseStandbys(*snapshot, wish.of, wish.ranges)) {
    const bool in_chain = std::find(wish.in_chains.begin(), wish.in_chains.end(),
                                    worker.endpoint) != wish.in_chains.end();
    if (!in_chain && spare == wish.wanted) continue;
    const bool own = snapshot->claims.contains(worker.id);
    if (!own && !registry->Take(worker, by).ok()) continue;
    endpoints.push_back(worker.endpoint);
    if (!in_chain) ++spare;
  }
  return endpoints;
}

}  // namespace waferline::cell
