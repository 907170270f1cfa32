// A cell's workers: chosen among those that are listed and free, and claimed for it.
//
// Owner: server/app; thread: any, one call at a time. Each claim takes one transaction.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "wafer_backend/membership/chain_choice.h"
#include "wafer_backend/membership/registry.h"

namespace waferline::cell {

// The chain for `wish`, each of its workers claimed by `epoch` of the wish's cell. What was claimed
// in vain is released. Unavailable: there is none now, or another cell was faster; worth another
// attempt.
absl::StatusOr<membership::Chain> ClaimChain(membership::Registry* registry,
                                             const membership::ChainWish& wish, uint64_t epoch);

}  // namespace waferline::cell
