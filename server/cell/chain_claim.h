// A cell's workers: chosen among those that are listed and free, and claimed for it.
//
// Owner: server/app; thread: any, one call at a time. Each claim takes one transaction.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "wafer_backend/membership/chain_choice.h"
#include "wafer_backend/membership/registry.h"

namespace waferline::cell {

struct StandbyWish {
  membership::ChainWish of;                // the cell's chains
  std::vector<membership::Layers> ranges;  // that they have
  std::vector<std::string> in_chains;      // their endpoints now
  size_t wanted = 1;
};

// The chains for `wish`, or those of them for which there are workers, at least one; each of their
// workers claimed by `epoch` of the wish's cell. What was
// claimed without use is released. Unavailable: there is none now, or another cell was faster;
// worth another attempt.
absl::StatusOr<std::vector<membership::Chain>> ClaimChains(membership::Registry* registry,
                                                           const membership::ChainWish& wish,
                                                           uint64_t epoch);

// One more chain, of workers whose host:port is not among `busy`. Errors: as ClaimChains'.
absl::StatusOr<membership::Chain> ClaimOneMore(membership::Registry* registry,
                                               const membership::ChainWish& wish,
                                               const std::vector<std::string>& busy,
                                               const membership::Registry::Claimed& by);
void ReleaseChain(membership::Registry* registry, const membership::Chain& chain,
                  const membership::Registry::Claimed& by);

// Of all chains, prefill workers first; valid as long as the chains.
std::vector<const membership::Worker*> WorkersOf(const std::vector<membership::Chain>& chains);

// The largest epoch that workers of these chains say they have served; 0: none.
uint64_t LargestEpoch(const std::vector<membership::Chain>& chains);

// Whether a worker at one of these host:port says that it has served a larger epoch. It refuses
// this one from then on.
bool AnyServedLarger(const membership::Registry& registry,
                     const std::vector<std::string>& endpoints, uint64_t epoch);

// Claims those of the chains' workers that are listed and have no claim by `by`: the registry had
// lost the claims, or the leadership before and its claims with it. Unavailable: some could not be
// claimed now, the others are; or they have seen a larger epoch.
absl::Status KeepClaimed(membership::Registry* registry,
                         const std::vector<membership::Chain>& chains,
                         const membership::Registry::Claimed& by);

// Workers that may replace one of a chain of this cell, as host:port: `wanted` of them beyond
// those in chains, claimed for the cell if they were free. Those in chains
// are among them, also where they are listed now.
std::vector<std::string> ClaimStandbys(membership::Registry* registry, const StandbyWish& wish,
                                       const membership::Registry::Claimed& by);

}  // namespace waferline::cell
